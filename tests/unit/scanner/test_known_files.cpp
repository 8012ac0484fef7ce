#include <fcntl.h>

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/known_files.hpp"
#include "scanner/scan.hpp"
#include "scanner/stat_cache.hpp"
#include "scanner/tree_root.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"

using namespace driftd::scanner;
using driftd::manifests::EntryIndex;
using driftd::test::Lines;
using driftd::test::must;
using driftd::test::ScanSite;

namespace {

FileNumber number_at(const ScanSite& site, const std::string& path) {
  return file_number(must(handle_of(AT_FDCWD, site.tree.at(path).c_str())));
}

Lines paths_of(const KnownFiles& files, FileNumber file) {
  Scope scope;
  files.add_to(scope, file);
  Lines lines;
  for (const auto& path : scope.paths()) lines.push_back(path.str());
  return lines;
}

/// Of the entries that a scan told the file of.
Lines told_in(const ScanPlan& plan, const ScanResult& result) {
  Lines lines;
  for (const auto& one : result.files) lines.push_back(plan.manifest->manifest().path(one.entry));
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace

TEST_CASE("a file's number is that of its handle") {
  CHECK(file_number({1, "abc"}) == file_number({1, "abc"}));
  CHECK(file_number({1, "abc"}) != file_number({2, "abc"}));
  CHECK(file_number({1, "abc"}) != file_number({1, "abd"}));
  CHECK(file_number({1, ""}) != 0);
}

TEST_CASE("a known file leads to its paths") {
  ScanSite site;
  site.tree.dir("d");
  for (const char* name : {"a", "b", "c", "d/e"}) site.tree.file(name, "x");
  site.release();
  const auto plan = site.plan();
  const auto entry = [&](const char* path) { return plan.manifest->manifest().find(path).value(); };
  CHECK(paths_of(KnownFiles(), 1).empty());
  CHECK(paths_of(KnownFiles(plan.manifest, {}), 1).empty());

  const KnownFiles some(plan.manifest, {{7, entry("d/e")}, {9, entry("b")}, {7, entry("a")}});
  CHECK(some.manifest() == plan.manifest);
  CHECK(paths_of(some, 7) == Lines{"a", "d/e"});
  CHECK(paths_of(some, 9) == Lines{"b"});
  CHECK(paths_of(some, 8).empty());
  CHECK(some.holds({7, entry("a")}));
  CHECK_FALSE(some.holds({7, entry("b")}));
  CHECK_FALSE(some.holds({8, entry("a")}));

  SUBCASE("with newer ones, and as it was") {
    CHECK(paths_of(some.with(std::vector<KnownFile>{}), 7) == Lines{"a", "d/e"});
    const KnownFiles more = some.with({{8, entry("c")}, {7, entry("c")}, {8, entry("b")}});
    CHECK(paths_of(more, 7) == Lines{"a", "c", "d/e"});
    CHECK(paths_of(more, 8) == Lines{"b", "c"});
    CHECK(more.holds({8, entry("c")}));
    CHECK(paths_of(some, 8).empty());
    const KnownFiles most = more.with({{5, entry("c")}});
    CHECK(paths_of(most, 5) == Lines{"c"});
    CHECK(paths_of(most, 8) == Lines{"b"});
    CHECK(paths_of(some.with(KnownFiles(plan.manifest, {{6, entry("a")}}).with({{4, entry("b")}})), 6) == Lines{"a"});
  }
}

TEST_CASE("however often entries get other files, the latest of each is known, and no great number beside") {
  ScanSite site;
  site.tree.dir("d");
  for (int i = 0; i < 3000; ++i) site.tree.file("d/" + std::to_string(i), "");
  site.release();
  const auto manifest = site.plan().manifest;
  std::vector<KnownFile> latest;
  for (EntryIndex entry = 0; entry < manifest->manifest().size(); ++entry) latest.push_back({entry + 1, entry});
  KnownFiles files(manifest, latest);
  FileNumber next = 10'000;
  const auto is_right = [&] {
    for (const auto& one : latest) {
      if (!files.holds(one)) return false;
    }
    return true;
  };
  const auto superseded = [&] {
    std::size_t count = 0;
    for (FileNumber file = 1; file < next; ++file) {
      for (const auto& path : paths_of(files, file))
        count += latest[manifest->manifest().find(path).value()].file != file;
    }
    return count;
  };
  for (int round = 0; round < 100; ++round) {
    std::vector<KnownFile> newer;
    for (EntryIndex i = 0; i < 97; ++i) {
      auto& one = latest[(static_cast<EntryIndex>(round) * 101 + i * 7) % (latest.size() - 1) + 1];
      one.file = next++;
      newer.push_back(one);
    }
    files = files.with(newer);
    if (round % 20 == 0) REQUIRE(is_right());
  }
  CHECK(is_right());
  CHECK(superseded() <= 2048);
  SUBCASE("and one that comes back") {
    const KnownFile before = latest[5];
    for (EntryIndex entry = 1; entry < latest.size(); ++entry) {
      files = files.with({{next++, 5}});
      files = files.with({before});
      files = files.with({{latest[entry].file = next++, entry}});
      if (entry == 5) latest[5] = before;
      files = files.with({latest[5]});
    }
    CHECK(is_right());
  }
}

TEST_CASE("no file that was touched is left out") {
  const auto touched = std::make_unique<TouchedFiles>();
  CHECK_FALSE(touched->may_hold(1));
  for (int i = 0; i < 100; ++i) {
    const FileNumber file = file_number({1, std::to_string(i)});
    touched->add(file);
    CHECK(touched->may_hold(file));
  }
  CHECK_FALSE(touched->may_hold(file_number({1, "another"})));
}

TEST_CASE("a scan tells of each entry which file it is") {
  ScanSite site;
  site.tree.dirs("root/d");
  site.tree.file("root/alone", "alone");
  site.tree.file("root/shared", "shared");
  site.tree.file("root/twice", "twice");
  site.tree.hard_link("root/twice", "root/d/twice");
  site.tree.hard_link("root/shared", "outside");
  site.tree.link("root/link", "alone");
  site.entries = driftd::test::record(site.tree.at("root"));
  if (!handle_of(AT_FDCWD, site.tree.at("root/alone").c_str())) return driftd::test::skip("no file handles here");
  auto plan = site.plan();
  plan.root = site.tree.at("root");
  ScanOptions options;
  options.cache = std::make_shared<StatCache>(plan.manifest->manifest().size());
  site.tree.file("root/unlisted", "x");
  site.tree.file("root/shared", "now another");
  for (const unsigned threads : {1U, 3U}) {
    options.threads = threads;
    const auto result = must(scan(plan, Scope::whole(), options, {}));
    CHECK(told_in(plan, result) == Lines{"alone", "d/twice", "link", "shared", "twice"});
    CHECK(std::is_sorted(result.files.begin(), result.files.end()));
    const KnownFiles files(plan.manifest, result.files);
    CHECK(paths_of(files, number_at(site, "root/twice")) == Lines{"d/twice", "twice"});
    CHECK(paths_of(files, number_at(site, "outside")) == Lines{"shared"});
    CHECK(paths_of(files, number_at(site, "root/alone")) == Lines{"alone"});
    CHECK(paths_of(files, number_at(site, "root/link")) == Lines{"link"});
    CHECK(paths_of(files, number_at(site, "root/unlisted")).empty());
  }
  SUBCASE("without a cache nobody will ask") {
    options.cache = nullptr;
    CHECK(must(scan(plan, Scope::whole(), options, {})).files.empty());
  }
}

TEST_CASE("a quick scan tells of files that it does not know") {
  ScanSite site;
  site.tree.file("a", "a");
  site.tree.file("b", "b");
  site.tree.link("l", "a");
  site.release();
  if (!handle_of(AT_FDCWD, site.tree.at("a").c_str())) return driftd::test::skip("no file handles here");
  const auto plan = site.plan();
  // Long after the files were written, so that the cache relies on what it sees.
  ScanOptions options;
  options.cache = std::make_shared<StatCache>(
      plan.manifest->manifest().size(), +[] { return StatCache::coarse_now() + 10; });
  options.quick = true;
  CHECK(told_in(plan, must(scan(plan, Scope::whole(), options, {}))) == Lines{"a", "b", "l"});
  CHECK(must(scan(plan, Scope::whole(), options, {})).files.empty());
  site.tree.file("next", "a");
  site.tree.rename("next", "a");
  site.tree.link("next", "a");
  site.tree.rename("next", "l");
  const auto result = must(scan(plan, Scope::whole(), options, {}));
  CHECK(result.findings.empty());
  CHECK(told_in(plan, result) == Lines{"a", "l"});
  CHECK(paths_of(KnownFiles(plan.manifest, result.files), number_at(site, "a")) == Lines{"a"});
  options.quick = false;
  CHECK(told_in(plan, must(scan(plan, Scope::whole(), options, {}))) == Lines{"a", "b", "l"});
}

TEST_CASE("what was another tree's meanwhile is read again, and told") {
  ScanSite site;
  site.tree.dir("inner");
  site.tree.file("inner/a", "a");
  site.release();
  if (!handle_of(AT_FDCWD, site.tree.at("inner/a").c_str())) return driftd::test::skip("no file handles here");
  const auto plan = site.plan();
  ScanOptions options;
  options.cache = std::make_shared<StatCache>(
      plan.manifest->manifest().size(), +[] { return StatCache::coarse_now() + 10; });
  options.quick = true;
  CHECK(told_in(plan, must(scan(plan, Scope::whole(), options, {}))) == Lines{"inner/a"});
  site.exemptions.add_nested_tree(*driftd::manifests::RelPath::parse("inner"));
  CHECK(must(scan(site.plan(), Scope::whole(), options, {})).files.empty());
  const auto again = must(scan(plan, Scope::whole(), options, {}));
  CHECK(again.hashed_files == 1);
  CHECK(told_in(plan, again) == Lines{"inner/a"});
}
