#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "scanner/ruling.hpp"
#include "tests/unit/scanner/scan_site.hpp"

using namespace driftd::scanner;
using driftd::manifests::RelPath;
using driftd::test::Lines;
using driftd::test::ScanSite;
using driftd::test::scope_of;

namespace {

/// A tree with something for each rule.
struct RuledSite : ScanSite {
  RuledSite() {
    tree.dir("app");
    tree.dir("app/pages");
    tree.file("app/pages/one.html", "1");
    tree.file("app/main.py", "x");
    tree.file("app/hot.pyc", "y");
    tree.link("current", "app");
    tree.dir("spool");
    release();
    entries["spool"] = driftd::test::ignored_dir_entry();
    entries["absent.conf"] = driftd::test::optional_entry();
    header = driftd::test::with_globs(header, {"var/log*", "app/*.pyc", "**/cache/**"});
    exemptions.add_manifest(*RelPath::parse("meta/deep/rel.manifest"));
    exemptions.add_nested_tree(*RelPath::parse("app/plugins/inner"));
    plan_ = plan();
  }
  [[nodiscard]] Ruling rule(const std::string& path) const { return ruling_for(plan_, *RelPath::parse(path)); }

  ScanPlan plan_;
};

}  // namespace

TEST_CASE("which rule decides about a path, and at which path above it") {
  struct Row {
    std::string path;
    Rule rule;
    std::string at;
    std::string detail;  ///< the mutable rule, or the ignored directory
  };
  const RuledSite site;
  for (const Row& row : {
           Row{"app", Rule::listed, "app", ""},
           Row{"app/main.py", Rule::listed, "app/main.py", ""},
           Row{"app/hot.pyc", Rule::listed, "app/hot.pyc", "app/*.pyc"},
           Row{"app/main.py/no/way", Rule::listed, "app/main.py", ""},
           Row{"current", Rule::listed, "current", ""},
           Row{"current/main.py", Rule::listed, "current", ""},
           Row{"absent.conf", Rule::listed, "absent.conf", ""},
           Row{"spool", Rule::listed, "spool", ""},
           Row{"spool/a", Rule::ignored, "spool/a", "spool"},
           Row{"spool/a/b/c", Rule::ignored, "spool/a/b/c", "spool"},
           Row{"spool/a.pyc", Rule::ignored, "spool/a.pyc", "spool"},
           Row{"app/new.pyc", Rule::mutable_path, "app/new.pyc", "app/*.pyc"},
           Row{"app/cache/a/b", Rule::mutable_path, "app/cache/a/b", "**/cache/**"},
           Row{"new", Rule::unlisted, "new", ""},
           Row{"new/below/this", Rule::unlisted, "new", ""},
           Row{"app/pages/two.html", Rule::unlisted, "app/pages/two.html", ""},
           // A rule for what lies below an unlisted directory does not let the directory in.
           Row{"var/log/x", Rule::unlisted, "var", ""},
           Row{"new/x.pyc", Rule::unlisted, "new", ""},
           Row{"meta", Rule::passage, "meta", ""},
           Row{"meta/deep", Rule::passage, "meta/deep", ""},
           Row{"meta/other", Rule::unlisted, "meta/other", ""},
           Row{"meta/deep/rel.manifest", Rule::own_manifest, "meta/deep/rel.manifest", ""},
           Row{"meta/deep/rel.manifest.minisig", Rule::own_manifest, "meta/deep/rel.manifest.minisig", ""},
           Row{"meta/deep/rel.manifest/x", Rule::unlisted, "meta/deep/rel.manifest", ""},
           Row{"meta/deep/rel.manifest.bak", Rule::unlisted, "meta/deep/rel.manifest.bak", ""},
           Row{"app/plugins", Rule::passage, "app/plugins", ""},
           Row{"app/plugins/inner", Rule::nested_tree, "app/plugins/inner", ""},
           Row{"app/plugins/inner/a/b", Rule::nested_tree, "app/plugins/inner", ""},
           Row{"app/plugins/other", Rule::unlisted, "app/plugins/other", ""},
       }) {
    CAPTURE(row.path);
    const Ruling ruling = site.rule(row.path);
    CHECK(static_cast<int>(ruling.rule) == static_cast<int>(row.rule));
    CHECK(ruling.at == row.at);
    CHECK(ruling.entry.has_value() == (row.rule == Rule::listed));
    if (ruling.entry) CHECK(site.plan_.manifest->manifest().path(*ruling.entry) == row.at);
    if (row.rule == Rule::ignored) {
      CHECK(ruling.ignored_directory == row.detail);
    } else {
      CHECK((ruling.mutable_rule != nullptr ? ruling.mutable_rule->text() : "") == row.detail);
      CHECK(ruling.ignored_directory.empty());
    }
  }
  CHECK(ruling_for_root().entry == driftd::manifests::kRootEntry);
}

TEST_CASE("a scan of one path says what the rule for it lets one expect") {
  RuledSite site;
  for (const char* path :
       {"spool/a/b/c", "app/new.pyc", "app/cache/a/b", "new/below/this", "app/pages/two.html", "meta/other",
        "meta/deep/rel.manifest", "meta/deep/rel.manifest.minisig", "app/plugins/inner/a/b", "app/plugins/other"}) {
    std::filesystem::create_directories(std::filesystem::path(site.tree.at(path)).parent_path());
    site.tree.file(path, "there");
  }
  for (const char* path : {"app/main.py", "spool/a/b/c", "app/new.pyc", "app/cache/a/b", "new/below/this",
                           "app/pages/two.html", "meta/other", "meta/deep/rel.manifest", "meta/deep",
                           "meta/deep/rel.manifest.minisig", "app/plugins/inner/a/b", "app/plugins/other"}) {
    CAPTURE(path);
    const Ruling ruling = site.rule(path);
    const ScanResult result = site.scan_paths({path});
    CHECK(scope_of(result) == Lines{ruling.at});
    const bool is_added = !result.findings.empty() && result.findings.front().kind == DriftKind::added &&
                          result.findings.front().path == ruling.at;
    CHECK(is_added == (ruling.rule == Rule::unlisted));
  }
}
