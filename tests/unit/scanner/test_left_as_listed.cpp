#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/left_as_listed.hpp"
#include "tests/unit/scanner/scan_site.hpp"

using driftd::manifests::RelPath;
using driftd::test::Lines;
using driftd::test::ScanSite;

namespace {

Lines left(const ScanSite& site, const std::vector<std::string>& paths) {
  driftd::scanner::Scope asked;
  for (const std::string& path : paths) asked.add(*RelPath::parse(path));
  return left_as_listed(site.plan().manifest->manifest(), asked, site.scan_paths(paths));
}

}  // namespace

TEST_CASE("what is touched and left as it is listed is told from what is not") {
  ScanSite site;
  site.tree.dirs("d/sub");
  site.tree.dirs("d-");
  site.tree.dirs("cache");
  site.tree.file("a", "a");
  site.tree.file("d/sub/c", "c");
  site.tree.file("data", "anything");
  site.tree.link("link", "a");
  site.release();
  site.entries["cache"] = driftd::test::ignored_dir_entry();
  site.entries["data"] = driftd::test::optional_entry();
  // Of any content, ignored, or not listed at all: nothing can be said of them.
  CHECK(left(site, {"a", "d", "d-", "link", "data", "cache", "cache/x", "gone", "a/below"}) ==
        Lines{"a", "d", "d-", "link"});

  SUBCASE("drift at the path itself") { site.tree.file("d/sub/c", "other"); }
  SUBCASE("drift above it") { site.tree.rename("d", "cache/d"); }
  SUBCASE("drift below it") { site.tree.file("d/sub/new", "new"); }
  CHECK(left(site, {"a", "d", "d-"}) == Lines{"a", "d-"});
  CHECK(left(site, {"d/sub"}).empty());
}
