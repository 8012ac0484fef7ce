#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/unique_fd.hpp"
#include "scanner/stat_cache.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/page_cache.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/syscall_gate.hpp"

using driftd::scanner::ScanOptions;
using driftd::scanner::ScanPlan;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::scanner::StatCache;
using driftd::test::evict;
using driftd::test::lines_of;
using driftd::test::must;
using driftd::test::ScanSite;

namespace {

/// Directories of files of many sizes, some of them empty.
void fill(const ScanSite& site, std::size_t directories, std::size_t files) {
  for (std::size_t d = 0; d < directories; ++d) {
    const std::string directory = "d" + std::to_string(d);
    site.tree.dir(directory);
    for (std::size_t f = 0; f < files; ++f) {
      site.tree.file(directory + "/f" + std::to_string(f),
                     std::string(f * f % 20'000, static_cast<char>('a' + d % 26)));
    }
  }
}

bool evict_all(const ScanSite& site, std::size_t directories, std::size_t files) {
  for (std::size_t d = 0; d < directories; ++d) {
    for (std::size_t f = 0; f < files; ++f) {
      if (!evict(site.tree.at("d" + std::to_string(d) + "/f" + std::to_string(f)))) return false;
    }
  }
  return true;
}

ScanResult scan(const ScanPlan& plan, const ScanOptions& options) {
  return must(driftd::scanner::scan(plan, Scope::whole(), options, {}));
}

/// As if a minute had passed since everything was written.
std::int64_t in_a_minute() { return StatCache::coarse_now() + 60; }

struct QuickSite {
  ScanSite site;
  ScanPlan plan;
  std::shared_ptr<StatCache> cache;

  void release() {
    site.release();
    plan = site.plan();
    cache = std::make_shared<StatCache>(plan.manifest->manifest().size(), in_a_minute);
  }
  [[nodiscard]] ScanResult full() const { return scan(plan, {.threads = 2, .cache = cache}); }
  [[nodiscard]] ScanResult quick() const { return scan(plan, {.threads = 2, .cache = cache, .quick = true}); }
};

}  // namespace

TEST_CASE("a tree that is not in memory is judged as one that is") {
  ScanSite site;
  fill(site, 20, 40);
  site.release();
  site.tree.append("d3/f7", "drift");
  site.tree.remove("d5/f1");
  site.tree.remove("d6/f2");
  site.tree.dir("d6/f2");
  site.tree.file("d6/f2/below", "x");
  site.tree.remove("d9/f9");
  site.tree.link("d9/f9", "f8");
  // Same size, other content.
  site.tree.file("d11/f30", std::string(900, '#'));
  const ScanResult warm = site.scan_whole(2);
  REQUIRE(lines_of(warm) == std::vector<std::string>{"modified d11/f30", "modified d3/f7", "missing d5/f1",
                                                     "type d6/f2 +1", "type d9/f9"});
  for (const unsigned threads : {1U, 2U, 5U}) {
    if (!evict_all(site, 20, 5)) return driftd::test::skip("a file system that keeps its files in memory");
    const ScanResult cold = site.scan_whole(threads);
    CHECK(cold.findings == warm.findings);
    CHECK(cold.unverified.empty());
    CHECK(cold.entries == warm.entries);
    CHECK(cold.hashed_files == warm.hashed_files);
    CHECK(cold.hashed_bytes == warm.hashed_bytes);
  }
}

TEST_CASE("a cold scan gets along with as few descriptors as there are") {
  ScanSite site;
  fill(site, 30, 20);
  site.release();
  if (!evict_all(site, 30, 20)) return driftd::test::skip("a file system that keeps its files in memory");
  const ScanPlan plan = site.plan();
  const std::string said = driftd::test::in_child([&]() -> std::string {
    const rlimit few{32, 32};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return "no limit set";
    const ScanResult result = scan(plan, {.threads = 4});
    const bool is_whole = result.unverified.empty() && result.entries == plan.manifest->manifest().size();
    return result.findings.empty() && is_whole ? "clean" : "not clean";
  });
  CHECK(said == "clean");
}

TEST_CASE("a scan leaves the files that were not in memory out of it") {
  ScanSite site;
  fill(site, 10, 30);
  site.release();
  if (!evict_all(site, 10, 30)) return driftd::test::skip("a file system that keeps its files in memory");
  CHECK(site.scan_whole(2).findings.empty());
  std::uint64_t left = 0;
  for (std::size_t d = 0; d < 10; ++d) {
    for (std::size_t f = 0; f < 30; ++f) {
      left += driftd::test::cached_bytes(site.tree.at("d" + std::to_string(d) + "/f" + std::to_string(f)));
    }
  }
  // A page may be in a CPU's batch when it is given back, and stay.
  CHECK(left <= 20 * 4096);
}

TEST_CASE("a quick scan reads nothing that a full scan has read, and says the same") {
  QuickSite site;
  fill(site.site, 5, 20);
  site.site.tree.link("link", "d0");
  site.release();
  const ScanResult full = site.full();
  REQUIRE(full.findings.empty());
  const ScanResult quick = site.quick();
  CHECK(quick.findings.empty());
  CHECK(quick.unverified.empty());
  CHECK(quick.entries == full.entries);
  CHECK(quick.hashed_files == 0);
  // A cache changes nothing about a full scan.
  CHECK(site.full().hashed_files == full.hashed_files);
}

TEST_CASE("a quick scan sees what stat shows: a forged mtime, too, and whatever was wrong before") {
  QuickSite site;
  fill(site.site, 3, 10);
  site.release();
  site.site.tree.file("d2/f9", std::string(81, '!'));
  CHECK(lines_of(site.full()) == std::vector<std::string>{"modified d2/f9"});
  const auto& tree = site.site.tree;
  struct stat before {};
  REQUIRE(::stat(tree.at("d0/f5").c_str(), &before) == 0);
  tree.file("d0/f5", std::string(25, '?'));
  const timespec times[] = {before.st_atim, before.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, tree.at("d0/f5").c_str(), times, 0) == 0);
  tree.mode("d1/f3", 0755);
  tree.remove("d1/f4");
  tree.file("d1/new", "");
  CHECK(lines_of(site.quick()) == std::vector<std::string>{"modified d0/f5", "metadata d1/f3", "missing d1/f4",
                                                           "added d1/new", "modified d2/f9"});
}

TEST_CASE("what another look has found wrong meanwhile is not remembered as right") {
  StatCache cache(2);
  const auto begun = cache.moment();
  cache.remember(0, 101, begun);
  CHECK(cache.agrees(0, 101));
  cache.forget(0);  // by a look that began later, and has ended
  CHECK(cache.remembered(0) == 0);
  cache.remember(0, 101, begun);
  CHECK_FALSE(cache.agrees(0, 101));
  cache.remember(0, 103, cache.moment());
  CHECK(cache.agrees(0, 103));
  cache.remember(1, 101, begun);
  CHECK(cache.agrees(1, 101));
}

TEST_CASE("nothing is known any more of what is below a directory that was away, or was none") {
  QuickSite site;
  fill(site.site, 3, 4);
  site.release();
  REQUIRE(site.full().findings.empty());
  const auto& tree = site.site.tree;
  std::filesystem::rename(tree.at("d1"), tree.at("away"));
  tree.file("d2.new", "x");
  std::filesystem::rename(tree.at("d2"), tree.at("d2.old"));
  std::filesystem::rename(tree.at("d2.new"), tree.at("d2"));
  CHECK(site.quick().findings.size() == 4);
  tree.remove("d2");
  std::filesystem::rename(tree.at("d2.old"), tree.at("d2"));
  std::filesystem::rename(tree.at("away"), tree.at("d1"));
  CHECK(site.quick().hashed_files == 8);
}

TEST_CASE("what was changed in the last two seconds is not remembered") {
  QuickSite site;
  fill(site.site, 2, 10);
  site.release();
  site.cache = std::make_shared<StatCache>(site.plan.manifest->manifest().size());  // by the real clock
  const ScanResult full = site.full();
  CHECK(site.quick().hashed_files == full.hashed_files);
}

TEST_CASE("files that drifted and were put right are read again by a quick scan, and then remembered") {
  QuickSite site;
  site.site.tree.file("f", "right");
  site.release();
  site.site.tree.file("f", "wrong");
  CHECK(site.full().findings.size() == 1);
  CHECK(site.quick().findings.size() == 1);
  site.site.tree.file("f", "right");
  const ScanResult again = site.quick();
  CHECK(again.findings.empty());
  CHECK(again.hashed_files == 1);
  CHECK(site.quick().hashed_files == 0);
}

TEST_CASE("what a full scan could not read a quick one reads again, though it was right before") {
  QuickSite site;
  site.site.tree.file("f", "x");
  site.release();
  REQUIRE(site.full().findings.empty());
  REQUIRE(site.quick().hashed_files == 0);
  const std::shared_ptr<StatCache> cache = site.cache;
  const auto reads =
      driftd::test::SyscallGate::run([&] { (void)scan(site.plan, {.cache = cache}); }, [](unsigned) { return 0; });
  const auto first_read = std::find(reads.begin(), reads.end(), SYS_preadv2) - reads.begin() + 1;
  ScanResult failed;
  driftd::test::SyscallGate::run([&] { failed = scan(site.plan, {.cache = cache}); },
                                 [&](unsigned nth) { return nth == static_cast<unsigned>(first_read) ? EIO : 0; });
  REQUIRE(failed.unverified.size() == 1);
  CHECK(site.quick().hashed_files == 1);
  CHECK(site.quick().hashed_files == 0);
}
