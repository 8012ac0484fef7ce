#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <string>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/skip.hpp"

using namespace driftd::scanner;
using driftd::manifests::RelPath;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::link_entry;
using driftd::test::ScanSite;

TEST_CASE("optional: may be absent; with a digest it is checked where it is there") {
  ScanSite site;
  site.entries = {{"config", driftd::test::optional_entry()},
                  {"plugin", file_entry("x")},
                  {"dir", dir_entry()},
                  {"dir/file", file_entry("x")},
                  {"link", link_entry("t")}};
  for (const char* path : {"plugin", "dir", "link"}) site.entries[path].optional = true;
  CHECK(lines_of(site.scan_whole()).empty());
  CHECK(site.scan_whole().entries == 6);

  site.tree.file("config", "anything");
  site.tree.file("plugin", "x");
  site.tree.dir("dir");
  site.tree.link("link", "t");
  CHECK(lines_of(site.scan_whole()) == Lines{"missing dir/file"});
  CHECK(site.scan_whole().unchecked == 1);

  site.tree.file("plugin", "y");
  site.tree.file("dir/file", "x");
  site.tree.file("dir/more", "x");
  site.tree.remove("link");
  site.tree.link("link", "elsewhere");
  site.tree.mode("config", 04755);
  CHECK(lines_of(site.scan_whole()) == Lines{"metadata config", "added dir/more", "target link", "modified plugin"});
}

TEST_CASE("ignore: anything may be below, but the directory is there and nothing below grants privilege") {
  ScanSite site;
  site.entries = {{"cache", driftd::test::ignored_dir_entry()}};
  CHECK(lines_of(site.scan_whole()) == Lines{"missing cache"});
  site.tree.dirs("cache/a/b");
  site.tree.file("cache/a/b/file", "", 0666);
  site.tree.fifo("cache/fifo");
  site.tree.link("cache/link", "/etc/passwd");
  CHECK(lines_of(site.scan_whole()).empty());
  CHECK(site.scan_whole().unchecked == 5);
  site.tree.file("cache/a/b/shell", "", 04755);
  site.tree.mode("cache/a", 02775);
  CHECK(lines_of(site.scan_whole()) == Lines{"added cache/a/b/shell"});
  site.tree.mode("cache", 0777);
  CHECK(lines_of(site.scan_whole()) == Lines{"metadata cache", "added cache/a/b/shell"});
}

TEST_CASE("mutable: what no entry lists may come and go; what has a digest is always checked") {
  ScanSite site;
  site.header = driftd::test::with_globs(site.header, {"**/__pycache__/**", "logs/*.log"});
  site.entries = {
      {"app", dir_entry()},  {"app/__pycache__", dir_entry()}, {"app/__pycache__/pinned.pyc", file_entry("x")},
      {"logs", dir_entry()}, {"logs/first.log", {}},           {"logs/link.log", link_entry("first.log")}};
  site.tree.dirs("app/__pycache__/deep");
  site.tree.file("app/__pycache__/pinned.pyc", "x");
  site.tree.file("app/__pycache__/other.pyc", "x");
  site.tree.file("app/__pycache__/deep/er", "x");
  site.tree.dirs("lib/__pycache__");
  site.tree.dir("logs");
  site.tree.file("logs/second.log", "x");
  // first.log and link.log are absent, and may be: a rule covers them, and nothing says what they hold.
  CHECK(lines_of(site.scan_whole()) == Lines{"added lib +1"});
  site.tree.remove("lib");
  CHECK(lines_of(site.scan_whole()).empty());

  site.tree.file("app/__pycache__/pinned.pyc", "y");
  site.tree.file("logs/notes.txt", "");
  site.tree.dir("logs/dir.log");
  site.tree.file("logs/dir.log/inside", "");  // the rule covers the directory alone
  site.tree.link("logs/link.log", "elsewhere");
  site.tree.file("logs/root.log", "", 06755);
  CHECK(lines_of(site.scan_whole()) == Lines{"modified app/__pycache__/pinned.pyc", "added logs/dir.log/inside",
                                             "target logs/link.log", "added logs/notes.txt", "added logs/root.log"});
  site.tree.remove("app/__pycache__");
  CHECK(lines_of(site.scan_whole()).front() == "missing app/__pycache__ +1");
}

TEST_CASE("a mutable directory may vanish with what is below it only where all of that may vanish by itself") {
  struct Row {
    const char* glob;
    driftd::test::Entries below;  ///< what is listed in it
    Lines found;
  };
  driftd::manifests::Entry optional_file = file_entry("x");
  optional_file.optional = true;
  driftd::manifests::Entry optional_directory = dir_entry();
  optional_directory.optional = true;
  for (const Row& row : {
           Row{"var/*", {}, {}},
           Row{"var/cache", {{"var/cache/conf", {}}}, {"missing var/cache +1"}},
           Row{"var/*", {{"var/cache/conf", {}}}, {"missing var/cache +1"}},
           Row{"var/*", {{"var/cache/link", link_entry("t")}}, {"missing var/cache +1"}},
           Row{"var/*", {{"var/cache/d", dir_entry()}}, {"missing var/cache +1"}},
           Row{"var/**",
               {{"var/cache/conf", {}}, {"var/cache/link", link_entry("t")}, {"var/cache/d", dir_entry()}},
               {}},
           Row{"var/**", {{"var/cache/pinned", file_entry("x")}}, {"missing var/cache +1"}},
           Row{"var/**/c*", {{"var/cache/conf", {}}}, {}},
           Row{"var/**/c*", {{"var/cache/c", dir_entry()}, {"var/cache/c/file", {}}}, {"missing var/cache +2"}},
           // What may be absent whatever the rules are may go with the directory, and of an optional directory all.
           Row{"var/*", {{"var/cache/plugin", optional_file}}, {}},
           Row{"var/*", {{"var/cache/d", optional_directory}, {"var/cache/d/file", file_entry("x")}}, {}},
       }) {
    CAPTURE(row.glob);
    ScanSite site;
    site.header = driftd::test::with_globs(site.header, {row.glob});
    site.tree.dir("var");
    site.entries = row.below;
    site.entries["var"] = dir_entry();
    site.entries["var/cache"] = dir_entry();
    CHECK(lines_of(site.scan_whole()) == row.found);
    if (row.below.empty()) continue;
    // Nor is it clean for who asks of what was in it.
    CHECK(lines_of(site.scan_paths({row.below.begin()->first})) == row.found);
  }
}

TEST_CASE("a device is drift even where anything may be") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  ScanSite site;
  site.entries = {{"cache", driftd::test::ignored_dir_entry()}};
  site.tree.dir("cache");
  if (::mknod(site.tree.at("cache/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) {
    return driftd::test::skip("needs the right to make devices");
  }
  CHECK(lines_of(site.scan_whole()) == Lines{"added cache/null"});
  CHECK(site.scan_whole().findings[0].actual.unpack().type == FileType::character_device);
}

TEST_CASE("additions: ignore says nothing of what is new, and all of what is listed") {
  ScanSite site;
  site.report_additions = false;
  site.tree.dir("d");
  site.tree.file("d/a", "x");
  site.release();
  site.tree.file("d/new", "x", 04755);
  site.tree.dirs("more/of/it");
  CHECK(lines_of(site.scan_whole()).empty());
  site.tree.file("d/a", "y");
  CHECK(lines_of(site.scan_whole()) == Lines{"modified d/a"});
}

TEST_CASE("the manifest and its signatures are exempt, exactly those files") {
  ScanSite site;
  site.exemptions.add_manifest(*RelPath::parse(".driftd/app.manifest"));
  CHECK(lines_of(site.scan_whole()).empty());
  site.tree.dir(".driftd");
  site.tree.file(".driftd/app.manifest", "x");
  site.tree.file(".driftd/app.manifest.minisig", "x");
  site.tree.file(".driftd/app.manifest.minisig.0123456789ABCDEF", "x");
  CHECK(lines_of(site.scan_whole()).empty());
  CHECK(lines_of(site.scan_paths({".driftd/app.manifest", ".driftd"})).empty());

  site.tree.file(".driftd/other", "x");
  site.tree.dirs(".driftd/sub/app.manifest");
  CHECK(lines_of(site.scan_whole()) == Lines{"added .driftd/other", "added .driftd/sub +1"});

  // A directory by such a name would be a place to hide things.
  site.tree.dirs(".driftd/app.manifest.minisig.AAAAAAAAAAAAAAAA/tools");
  site.tree.fifo(".driftd/app.manifest.minisig.BBBBBBBBBBBBBBBB");
  CHECK(lines_of(site.scan_whole()) == Lines{"added .driftd/app.manifest.minisig.AAAAAAAAAAAAAAAA +1",
                                             "added .driftd/app.manifest.minisig.BBBBBBBBBBBBBBBB",
                                             "added .driftd/other", "added .driftd/sub +1"});
}

TEST_CASE("the name of a signature exempts no program") {
  ScanSite site;
  site.exemptions.add_manifest(*RelPath::parse("app.manifest"));
  for (const mode_t mode : std::initializer_list<mode_t>{0755, 04644, 02644, 0666, 0645}) {
    CAPTURE(mode);
    site.tree.file("app.manifest.minisig.0123456789ABCDEF", "x", mode);
    CHECK(lines_of(site.scan_whole()) == Lines{"added app.manifest.minisig.0123456789ABCDEF"});
  }
  site.tree.mode("app.manifest.minisig.0123456789ABCDEF", 0644);
  CHECK(lines_of(site.scan_whole()).empty());
}

TEST_CASE("a manifest that the release lists is checked like any file") {
  ScanSite site;
  site.exemptions.add_manifest(*RelPath::parse("app.manifest"));
  site.entries = {{"app.manifest", file_entry("x")}};
  CHECK(lines_of(site.scan_whole()) == Lines{"missing app.manifest"});
  site.tree.file("app.manifest", "y");
  CHECK(lines_of(site.scan_whole()) == Lines{"modified app.manifest"});
}

TEST_CASE("a nested tree is left out, there or not, listed or not") {
  ScanSite site;
  site.exemptions.add_nested_tree(*RelPath::parse("srv/inner"));
  site.exemptions.add_nested_tree(*RelPath::parse("listed"));
  site.entries = {{"listed", dir_entry()}, {"listed/file", file_entry("x")}};
  CHECK(lines_of(site.scan_whole()).empty());
  CHECK(site.scan_whole().entries == 3);
  site.tree.dirs("srv/inner/deep");
  site.tree.dirs("listed/deep");
  CHECK(lines_of(site.scan_whole()).empty());
  site.tree.file("srv/beside", "x");
  CHECK(lines_of(site.scan_whole()) == Lines{"added srv/beside"});
  site.tree.remove("srv/inner");
  site.tree.remove("listed");
  site.tree.file("srv/inner", "a file now");
  site.tree.file("listed", "likewise");
  CHECK(lines_of(site.scan_whole()) == Lines{"added srv/beside"});
  // No root of a tree is a link, since links are resolved to find it: it stands there instead, and is not exempt.
  site.tree.remove("srv/inner");
  site.tree.remove("listed");
  site.tree.link("srv/inner", "elsewhere");
  site.tree.link("listed", "elsewhere");
  CHECK(lines_of(site.scan_whole()) == Lines{"type listed +1", "added srv/beside", "added srv/inner"});
  CHECK(lines_of(site.scan_paths({"listed/file", "srv/inner"})) == Lines{"type listed +1", "added srv/inner"});
  // The way to a nested tree is exempt as a directory only.
  site.tree.remove("srv");
  site.tree.link("srv", "elsewhere");
  CHECK(lines_of(site.scan_whole()) == Lines{"type listed +1", "added srv"});
}

TEST_CASE("a link that leads to another tree's root is looked at wherever it leads") {
  ScanSite site;
  site.tree.link("shared", "gone");
  site.release();
  site.exemptions.add_nested_tree(*RelPath::parse("shared"));
  CHECK(lines_of(site.scan_whole()).empty());
  site.tree.remove("shared");
  CHECK(lines_of(site.scan_whole()) == Lines{"missing shared"});
  CHECK(lines_of(site.scan_paths({"shared"})) == Lines{"missing shared"});
  site.tree.link("shared", "nowhere");
  CHECK(lines_of(site.scan_whole()) == Lines{"target shared"});
  CHECK(lines_of(site.scan_paths({"shared"})) == Lines{"target shared"});
  site.tree.remove("shared");
  site.tree.dirs("shared/deep");
  CHECK(lines_of(site.scan_whole()) == Lines{"type shared +1"});
  CHECK(lines_of(site.scan_paths({"shared/deep"})) == Lines{"type shared +1"});
}
