#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/syscall_gate.hpp"

using namespace driftd::scanner;
using driftd::manifests::RelPath;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::ScanSite;
using driftd::test::scope_of;

namespace {

/// d/ with a, b and sub/c; e/ with f; top.
void build(ScanSite& site) {
  site.tree.dirs("d/sub");
  site.tree.file("d/a", "x");
  site.tree.file("d/b", "x");
  site.tree.file("d/sub/c", "x");
  site.tree.dir("e");
  site.tree.file("e/f", "x");
  site.tree.file("top", "x");
  site.release();
}

}  // namespace

TEST_CASE("a scan of paths looks at them and all below, and nowhere else") {
  ScanSite site;
  build(site);
  for (const char* path : {"d/a", "d/sub/c", "e/f", "top"}) site.tree.file(path, "y");
  site.tree.file("d/new", "");
  struct Case {
    Lines asked;
    Lines scope;
    Lines found;
    std::uint64_t entries;
  };
  for (const Case& one : {
           Case{{}, {}, {}, 0},
           Case{{"top"}, {"top"}, {"modified top"}, 1},
           Case{{"d/b"}, {"d/b"}, {}, 1},
           Case{{"d"}, {"d"}, {"modified d/a", "added d/new", "modified d/sub/c"}, 5},
           Case{{"d", "d/a", "d/sub/c"}, {"d"}, {"modified d/a", "added d/new", "modified d/sub/c"}, 5},
           Case{{"d/sub", "e/f"}, {"d/sub", "e/f"}, {"modified d/sub/c", "modified e/f"}, 3},
           Case{{"d/new"}, {"d/new"}, {"added d/new"}, 0},
           Case{{"d/none"}, {"d/none"}, {}, 0},
           Case{{"none/x/y"}, {"none"}, {}, 0},
           Case{{"top/x/y"}, {"top"}, {"modified top"}, 1},
       }) {
    CAPTURE(one.asked);
    for (const unsigned threads : {1U, 3U}) {
      const ScanResult result = site.scan_paths(one.asked, threads);
      CHECK(scope_of(result) == one.scope);
      CHECK(lines_of(result) == one.found);
      CHECK(result.entries == one.entries);
    }
  }
}

TEST_CASE("below what is missing, added or of another type there is nothing to say but that") {
  ScanSite site;
  build(site);
  SUBCASE("missing; two paths below it are one finding") {
    site.tree.remove("d");
    for (const Lines& asked : {Lines{"d/a"}, Lines{"d/sub/c", "d/a", "d/none"}, Lines{"d"}}) {
      const ScanResult result = site.scan_paths(asked, 2);
      CHECK(scope_of(result) == Lines{"d"});
      CHECK(lines_of(result) == Lines{"missing d +4"});
      CHECK(result.entries == 5);
    }
  }
  SUBCASE("missing further down") {
    site.tree.remove("d/sub");
    const ScanResult result = site.scan_paths({"d/sub/c", "d/a"});
    CHECK(scope_of(result) == Lines{"d/a", "d/sub"});
    CHECK(lines_of(result) == Lines{"missing d/sub +1"});
  }
  SUBCASE("added") {
    site.tree.dirs("new/deep/er");
    for (const Lines& asked : {Lines{"new/deep/er"}, Lines{"new/deep/er", "new/other"}, Lines{"new"}}) {
      const ScanResult result = site.scan_paths(asked, 2);
      CHECK(scope_of(result) == Lines{"new"});
      CHECK(lines_of(result) == Lines{"added new +2"});
    }
  }
  SUBCASE("a file instead of a directory") {
    site.tree.remove("d");
    site.tree.file("d", "x");
    const ScanResult result = site.scan_paths({"d/sub/c"});
    CHECK(scope_of(result) == Lines{"d"});
    CHECK(lines_of(result) == Lines{"type d +4"});
  }
  SUBCASE("a link instead of a directory is not followed") {
    site.tree.rename("d", "moved");
    site.tree.link("d", "moved");
    const ScanResult result = site.scan_paths({"d/sub/c"});
    CHECK(scope_of(result) == Lines{"d"});
    CHECK(lines_of(result) == Lines{"type d +4"});
  }
  SUBCASE("a directory instead of a file") {
    site.tree.remove("top");
    site.tree.dirs("top/x/y");
    const ScanResult result = site.scan_paths({"top/x/y"});
    CHECK(scope_of(result) == Lines{"top"});
    CHECK(lines_of(result) == Lines{"type top +2"});
  }
}

TEST_CASE("a path that is gone again and never was listed leaves no finding") {
  ScanSite site;
  build(site);
  const ScanResult result = site.scan_paths({"d/.swp", "x/y"});
  CHECK(scope_of(result) == Lines{"d/.swp", "x"});
  CHECK(lines_of(result).empty());
}

TEST_CASE("paths in a nested tree are not this tree's business") {
  ScanSite site;
  build(site);
  site.exemptions.add_nested_tree(*RelPath::parse("d/sub"));
  site.tree.file("d/sub/c", "y");
  site.tree.file("d/a", "y");
  for (const Lines& asked : {Lines{"d/sub"}, Lines{"d/sub/c", "d/sub/none/x"}}) {
    const ScanResult result = site.scan_paths(asked);
    // That is known of it now, whatever was known before.
    CHECK(scope_of(result) == Lines{"d/sub"});
    CHECK(lines_of(result).empty());
    CHECK(result.hashed_files == 0);
  }
  const ScanResult above = site.scan_paths({"d"});
  CHECK(lines_of(above) == Lines{"modified d/a"});
  CHECK(above.entries == 5);
}

TEST_CASE("rules hold in a scan of paths as in a whole one") {
  ScanSite site;
  site.header = driftd::test::with_globs(site.header, {"**/tmp/**", "logs/*"});
  site.entries = {
      {"cache", driftd::test::ignored_dir_entry()}, {"logs", dir_entry()}, {"opt", driftd::test::optional_entry()}};
  site.tree.dirs("cache/deep");
  site.tree.file("cache/deep/ok", "");
  site.tree.file("cache/deep/shell", "", 04755);
  site.tree.dirs("logs/old/x");
  site.tree.dirs("tmp/a");
  site.tree.file("tmp/a/b", "");
  site.exemptions.add_manifest(*RelPath::parse("way/to/m"));
  site.tree.dirs("way/to");
  site.tree.file("way/to/m", "");
  site.tree.file("way/to/n", "");
  struct Case {
    Lines asked;
    Lines scope;
    Lines found;
  };
  for (const Case& one : {
           Case{{"cache/deep/ok"}, {"cache/deep/ok"}, {}},
           Case{{"cache/deep/shell"}, {"cache/deep/shell"}, {"added cache/deep/shell"}},
           Case{{"cache/none/x"}, {"cache/none"}, {}},
           Case{{"logs/old"}, {"logs/old"}, {"added logs/old/x"}},
           Case{{"logs/old/x/y"}, {"logs/old/x"}, {"added logs/old/x"}},
           Case{{"tmp/a/b"}, {"tmp/a/b"}, {}},
           Case{{"opt"}, {"opt"}, {}},
           Case{{"way/to/m"}, {"way/to/m"}, {}},
           Case{{"way/to/n"}, {"way/to/n"}, {"added way/to/n"}},
           Case{{"way"}, {"way"}, {"added way/to/n"}},
       }) {
    CAPTURE(one.asked);
    const ScanResult result = site.scan_paths(one.asked);
    CHECK(scope_of(result) == one.scope);
    CHECK(lines_of(result) == one.found);
  }
}

TEST_CASE("a look at a deep path opens each directory on the way a time or two, however long the way") {
  ScanSite site;
  site.header = driftd::test::with_globs(site.header, {"free/**"});
  site.tree.dir("free");
  site.release();
  const ScanPlan plan = site.plan();
  const auto opens = [&](std::size_t levels) {
    std::string path = "free";
    int at = ::open(site.tree.at(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (std::size_t level = 0; level < levels; ++level) {
      const std::string name(200, static_cast<char>('a' + levels % 26));
      (void)::mkdirat(at, name.c_str(), 0755);
      const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ::close(std::exchange(at, below));
      path += "/" + name;
    }
    ::close(at);
    Scope scope;
    scope.add(*driftd::manifests::RelPath::parse(path + "/nothing"));
    const auto calls = driftd::test::SyscallGate::run(
        [&] { CHECK(driftd::test::must(driftd::scanner::scan(plan, scope, {}, {})).findings.empty()); },
        [](unsigned) { return 0; });
    return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), SYS_openat2));
  };
  const std::size_t few = opens(10);
  CHECK(opens(200) <= 20 * few);
}

TEST_CASE("what is beyond the content that may be read is left unread, and what needs no reading is judged") {
  ScanSite site;
  for (const char* file : {"large", "removed", "shorter", "small"}) site.tree.file(file, "abcd");
  site.release();
  site.tree.file("large", "abcx");
  site.tree.file("small", "abcx");
  site.tree.file("shorter", "abc");
  site.tree.remove("removed");
  const auto scan = [&](std::optional<std::uint64_t> most) {
    Scope scope;
    for (const char* path : {"large", "removed", "shorter", "small"}) scope.add(*RelPath::parse(path));
    ScanOptions options;
    options.most_content = most;
    return driftd::test::must(driftd::scanner::scan(site.plan(), scope, options, {}));
  };
  for (const std::uint64_t most : {0U, 3U}) {
    const ScanResult result = scan(most);
    CHECK(result.unread == Lines{"large", "small"});
    CHECK(lines_of(result) ==
          Lines{"missing removed", "modified shorter", "unverified large unstable", "unverified small unstable"});
    CHECK(result.hashed_files == 0);
    CHECK(result.entries == 4);
  }
  // One of them, whichever comes first, and what is too large for what is left uses up nothing.
  const ScanResult result = scan(7 + 4);
  CHECK(result.unread.size() + result.hashed_files == 2);
  CHECK(result.hashed_files == 1);
  for (const auto most : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(16)}) {
    CHECK(scan(most).unread.empty());
    CHECK(lines_of(scan(most)) == Lines{"modified large", "missing removed", "modified shorter", "modified small"});
  }
}
