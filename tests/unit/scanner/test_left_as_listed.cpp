#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/left_as_listed.hpp"
#include "tests/unit/scanner/scan_site.hpp"

using driftd::manifests::RelPath;
using driftd::test::Lines;
using driftd::test::ScanSite;

namespace {

Lines left(const ScanSite& site, const std::vector<std::string>& touched, const std::vector<std::string>& looked_at) {
  auto result = site.scan_paths(looked_at);
  for (const std::string& path : touched) result.evidence[path] = {};
  return left_as_listed(site.plan(), result);
}

}  // namespace

TEST_CASE("what is touched and left as it is listed is told from what is not") {
  ScanSite site;
  site.tree.dirs("d/sub");
  site.tree.dirs("cache");
  site.tree.dirs("nested");
  site.tree.file("a", "a");
  site.tree.file("d/b", "b");
  site.tree.file("d/sub/c", "c");
  site.tree.file("data", "anything");
  site.tree.file("nested/f", "f");
  site.tree.link("link", "a");
  site.release();
  site.entries["cache"] = driftd::test::ignored_dir_entry();
  site.entries["data"] = driftd::test::optional_entry();
  site.exemptions.add_nested_tree(*RelPath::parse("nested"));
  const Lines all = {"a", "d", "d/b", "d/sub", "d/sub/c", "link"};
  const auto look = [&](const Lines& looked_at) {
    // Of any content, ignored, another tree's, or not listed at all: nothing can be said of them.
    Lines touched = {"data", "cache", "cache/x", "gone", "a/below", "nested", "nested/f", "."};
    touched.insert(touched.end(), all.begin(), all.end());
    return left(site, touched, looked_at);
  };
  CHECK(look({"a", "d", "link", "data", "cache", "nested"}) == all);

  SUBCASE("drift at the path itself") {
    site.tree.file("d/sub/c", "other");
    CHECK(look({"a", "d", "link"}) == Lines{"a", "d", "d/b", "d/sub", "link"});
  }
  SUBCASE("drift above it, which hides it") {
    site.tree.rename("d/sub", "cache/sub");
    CHECK(look({"a", "d", "link"}) == Lines{"a", "d", "d/b", "link"});
  }
  SUBCASE("drift above it, and it was looked at") {
    site.tree.mode("d", 0777);
    CHECK(look({"a", "d", "link"}) == Lines{"a", "d/b", "d/sub", "d/sub/c", "link"});
  }
}
