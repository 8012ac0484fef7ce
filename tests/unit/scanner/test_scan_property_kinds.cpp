// The kinds of scans that the great property test does not make: quick ones, of what is not in memory, and by somebody
// who may not read all of it.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/unique_fd.hpp"
#include "scanner/scan.hpp"
#include "scanner/stat_cache.hpp"
#include "tests/unit/scanner/chaos.hpp"
#include "tests/unit/scanner/obvious_look.hpp"
#include "tests/unit/scanner/random_release.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/page_cache.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace fs = std::filesystem;

using namespace driftd::scanner;
using driftd::manifests::UniqueFd;
using driftd::test::Chaos;
using driftd::test::Drift;
using driftd::test::drift_of;
using driftd::test::for_each_seed;
using driftd::test::make_plan;
using driftd::test::make_rules;
using driftd::test::ObviousLook;
using driftd::test::Rules;
using driftd::test::ScanSite;
using driftd::test::TempTree;

namespace {

ScanResult scan_whole(const ScanPlan& plan, const ScanOptions& options) {
  ScanResult result = driftd::test::must(scan(plan, Scope::whole(), options, {}));
  CHECK(result.entries == plan.manifest->manifest().size());
  return result;
}

/// As if a minute had passed since everything was written, so that what is seen is remembered.
std::int64_t in_a_minute() { return StatCache::coarse_now() + 60; }

struct Read {
  std::uint64_t by_full = 0;
  std::uint64_t by_quick = 0;
} read_in_all;

void run_quick_case(unsigned long seed) {
  const TempTree tree(TempTree::Where::memory);
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  ScanOptions options{.threads = seed % 2 == 0 ? 1U : 2U};
  options.cache = std::make_shared<StatCache>(plan.manifest->manifest().size(), in_a_minute);
  ScanSite::settle();
  read_in_all.by_full += scan_whole(plan, options).hashed_bytes;
  options.quick = true;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = chaos.below(6); i > 0; --i) (void)chaos.edit();
    ScanSite::settle();
    const ScanResult quick = scan_whole(plan, options);
    CHECK(quick.unverified.empty());
    CHECK(drift_of(quick.findings) == ObviousLook(rules, plan.root).drift());
    read_in_all.by_quick += quick.hashed_bytes;
  }
}

void run_cold_case(unsigned long seed) {
  const TempTree tree;
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  for (std::size_t i = chaos.below(10); i > 0; --i) (void)chaos.edit();
  const Drift expected = ObviousLook(rules, plan.root).drift();
  const ScanResult warm = scan_whole(plan, {.threads = 1});
  for (const auto& one : fs::recursive_directory_iterator(tree.path())) {
    if (one.symlink_status().type() == fs::file_type::regular) (void)driftd::test::evict(one.path());
  }
  const ScanResult cold = scan_whole(plan, {.threads = seed % 2 == 0 ? 1U : 3U});
  CHECK(cold.unverified.empty());
  CHECK(drift_of(cold.findings) == expected);
  CHECK(cold.findings == warm.findings);
  CHECK(cold.hashed_files == warm.hashed_files);
}

/// This thread, and those that it starts, reach files as a user that owns none; without root's capabilities on files.
class AsNobody {
 public:
  AsNobody() : gid_(::setfsgid(driftd::test::kNobody)), uid_(::setfsuid(driftd::test::kNobody)) {}
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    ::setfsuid(static_cast<uid_t>(uid_));
    ::setfsgid(static_cast<gid_t>(gid_));
  }

 private:
  int gid_;
  int uid_;
};

/// Is there something at the path, or above it, that this thread may not read or pass?
bool is_barred(const fs::path& root, const std::string& path) {
  for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const fs::path part = root / path.substr(0, slash);
    struct stat status {};
    if (::lstat(part.c_str(), &status) != 0) return errno == EACCES;
    if (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode)) {
      if (!UniqueFd(::open(part.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))) return errno == EACCES;
    }
    if (S_ISDIR(status.st_mode) && ::lstat((part / "x").c_str(), &status) != 0 && errno == EACCES) return true;
    if (slash == std::string::npos) return false;
  }
}

bool is_at_or_above(const std::string& above, const std::string& path) {
  return above == "." || above == path || path.starts_with(above + "/");
}

void run_barred_case(unsigned long seed) {
  const TempTree tree(TempTree::Where::memory);
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  for (std::size_t i = chaos.below(20); i > 0; --i) (void)chaos.edit();
  const Drift all = ObviousLook(rules, plan.root).drift();

  const AsNobody nobody;
  const ScanResult seen = scan_whole(plan, {.threads = seed % 2 == 0 ? 1U : 2U});
  const auto is_told_unknown = [&](const std::string& path) {
    for (const Unverified& one : seen.unverified) {
      if (is_at_or_above(one.path, path)) return true;
    }
    return false;
  };
  const Drift found = drift_of(seen.findings);
  for (const auto& [path, one] : found) {
    CAPTURE(path);
    REQUIRE(all.contains(path));
    CHECK(all.at(path).kind == one.kind);
    CHECK_FALSE(is_told_unknown(path));
  }
  // Nothing is lost: what it cannot tell it says.
  for (const auto& [path, one] : all) CHECK_MESSAGE((found.contains(path) || is_told_unknown(path)), path);
  for (const auto& [path, entry] : rules.entries) {
    const bool is_read = entry.type == driftd::manifests::EntryType::file && (entry.blake3 || entry.sha256);
    bool is_judged = false;  // there is nothing to read below what is drift
    for (const auto& [above, one] : found) is_judged = is_judged || is_at_or_above(above, path);
    const bool is_nested = rules.nested && is_at_or_above(*rules.nested, path);
    if (is_read && !is_judged && !is_nested && is_barred(tree.path(), path)) CHECK_MESSAGE(is_told_unknown(path), path);
  }
  // And nothing is called unknown that can be known.
  for (const Unverified& one : seen.unverified) {
    CHECK(one.reason == UnverifiedReason::permission);
    CHECK_MESSAGE(is_barred(tree.path(), one.path), one.path);
  }
}

}  // namespace

TEST_CASE("a quick scan finds what an obvious look at each path finds, and reads less") {
  read_in_all = {};
  for_each_seed(500, run_quick_case);
  CHECK(read_in_all.by_quick < read_in_all.by_full);
}

TEST_CASE("a scan of files that are not in memory finds what an obvious look at each path finds") {
  for_each_seed(100, run_cold_case);
}

TEST_CASE("who may not read everything finds what can be found, and says of the rest that it is not known") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  for_each_seed(2'000, run_barred_case);
}
