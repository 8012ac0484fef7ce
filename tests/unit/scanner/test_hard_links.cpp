#include <fcntl.h>

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/hard_links.hpp"
#include "scanner/scan.hpp"
#include "scanner/stat_cache.hpp"
#include "scanner/tree_root.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"

using namespace driftd::scanner;
using driftd::test::Lines;
using driftd::test::must;
using driftd::test::ScanSite;

namespace {

FileNumber number_at(const ScanSite& site, const std::string& path) {
  return file_number(must(handle_of(AT_FDCWD, site.tree.at(path).c_str())));
}

Lines paths_of(const HardLinks& links, FileNumber file) {
  Scope scope;
  links.add_to(scope, file);
  Lines lines;
  for (const auto& path : scope.paths()) lines.push_back(path.str());
  return lines;
}

void make_links(ScanSite& site) {
  site.tree.dirs("root/d");
  site.tree.file("root/alone", "alone");
  site.tree.file("root/shared", "shared");
  site.tree.file("root/twice", "twice");
  site.tree.hard_link("root/twice", "root/d/twice");
  site.tree.hard_link("root/shared", "outside");
  site.entries = driftd::test::record(site.tree.at("root"));
}

}  // namespace

TEST_CASE("a file's number is that of its handle") {
  CHECK(file_number({1, "abc"}) == file_number({1, "abc"}));
  CHECK(file_number({1, "abc"}) != file_number({2, "abc"}));
  CHECK(file_number({1, "abc"}) != file_number({1, "abd"}));
  CHECK(file_number({1, ""}) != 0);
}

TEST_CASE("what is known of files with further names") {
  ScanSite site;
  site.tree.dir("d");
  for (const char* name : {"a", "b", "c", "d/e"}) site.tree.file(name, "x");
  site.release();
  const auto plan = site.plan();
  const auto entry = [&](const char* path) { return plan.manifest->manifest().find(path).value(); };
  const HardLinks none(plan.manifest, {});
  CHECK(none.empty());
  CHECK_FALSE(none.knows(1));
  CHECK(paths_of(none, 1).empty());

  const HardLinks some(plan.manifest, {{7, entry("d/e")}, {9, entry("b")}, {7, entry("a")}});
  CHECK_FALSE(some.empty());
  CHECK(some.knows(7));
  CHECK_FALSE(some.knows(8));
  CHECK(paths_of(some, 7) == Lines{"a", "d/e"});
  CHECK(paths_of(some, 9) == Lines{"b"});
  CHECK(paths_of(some, 8).empty());

  CHECK(some.with({}) == nullptr);
  CHECK(some.with({{7, entry("a")}, {9, entry("b")}}) == nullptr);
  const auto more = some.with({{8, entry("c")}, {7, entry("a")}});
  REQUIRE(more != nullptr);
  CHECK(paths_of(*more, 7) == Lines{"a", "d/e"});
  CHECK(paths_of(*more, 8) == Lines{"c"});
}

TEST_CASE("a scan tells which entries have files with further names, and only those") {
  ScanSite site;
  make_links(site);
  if (!handle_of(AT_FDCWD, site.tree.at("root/alone").c_str())) return driftd::test::skip("no file handles here");
  auto plan = site.plan();
  plan.root = site.tree.at("root");
  ScanOptions options;
  options.cache = std::make_shared<StatCache>(plan.manifest->manifest().size());
  for (const unsigned threads : {1U, 3U}) {
    options.threads = threads;
    const auto result = must(scan(plan, Scope::whole(), options, {}));
    CHECK(result.findings.empty());
    CHECK(result.linked.size() == 3);
    const HardLinks links(plan.manifest, result.linked);
    CHECK(paths_of(links, number_at(site, "root/twice")) == Lines{"d/twice", "twice"});
    CHECK(paths_of(links, number_at(site, "outside")) == Lines{"shared"});
    CHECK_FALSE(links.knows(number_at(site, "root/alone")));
  }
  SUBCASE("of a file that is not listed as well") {
    site.tree.hard_link("root/alone", "root/new");
    const auto result = must(scan(plan, Scope::whole(), options, {}));
    CHECK(result.linked_additions == std::vector<FileNumber>{number_at(site, "root/alone")});
    CHECK(result.linked.size() == 4);
  }
  SUBCASE("without a cache nobody will ask") {
    options.cache = nullptr;
    CHECK(must(scan(plan, Scope::whole(), options, {})).linked.empty());
  }
}

TEST_CASE("a quick scan tells of a link that is new") {
  ScanSite site;
  site.tree.file("a", "a");
  site.tree.file("b", "b");
  site.release();
  if (!handle_of(AT_FDCWD, site.tree.at("a").c_str())) return driftd::test::skip("no file handles here");
  const auto plan = site.plan();
  // Long after the files were written, so that the cache relies on what it sees.
  const auto cache = std::make_shared<StatCache>(
      plan.manifest->manifest().size(), +[] { return StatCache::coarse_now() + 10; });
  ScanOptions options;
  options.cache = cache;
  CHECK(must(scan(plan, Scope::whole(), options, {})).linked.empty());
  options.quick = true;
  CHECK(must(scan(plan, Scope::whole(), options, {})).linked.empty());
  site.tree.hard_link("a", "new");
  const auto result = must(scan(plan, Scope::whole(), options, {}));
  REQUIRE(result.linked.size() == 1);
  CHECK(plan.manifest->manifest().path(result.linked[0].entry) == "a");
  CHECK(result.linked_additions == std::vector<FileNumber>{result.linked[0].file});
}
