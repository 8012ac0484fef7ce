#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/rel_path.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/ruling.hpp"
#include "scanner/scan.hpp"
#include "tests/unit/scanner/chaos.hpp"
#include "tests/unit/scanner/obvious_look.hpp"
#include "tests/unit/scanner/random_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace fs = std::filesystem;

using namespace driftd::scanner;
using driftd::manifests::RelPath;
using driftd::test::Chaos;
using driftd::test::drift_of;
using driftd::test::for_each_seed;
using driftd::test::make_plan;
using driftd::test::make_rules;
using driftd::test::ObviousLook;
using driftd::test::Rules;
using driftd::test::TempTree;

namespace {

/// All of a drift set but the times, which a look at one path cannot know of its parent.
std::vector<Finding> timeless(const DriftSet& set) {
  std::vector<Finding> findings;
  for (const auto& [path, open] : set.open()) {
    findings.push_back(open.finding);
    findings.back().changed_at.reset();
    findings.back().changed_nanoseconds = 0;
    findings.back().names_changed_last = false;
    findings.back().gone_by.reset();
  }
  return findings;
}

ScanResult scan_now(const ScanPlan& plan, const Scope& scope, unsigned threads) {
  ScanResult result = driftd::test::must(scan(plan, scope, {.threads = threads, .throttle = nullptr}, {}));
  CHECK(result.unverified.empty());
  return result;
}

ScanResult scan_and_judge(const ScanPlan& plan, const Rules& rules, unsigned threads) {
  ScanResult result = scan_now(plan, Scope::whole(), threads);
  CHECK(result.entries == plan.manifest->manifest().size());
  CHECK(drift_of(result.findings) == ObviousLook(rules, plan.root).drift());
  return result;
}

/// An edit through one of several hard links is an edit of all.
std::set<std::string> with_other_names(const TempTree& tree, std::set<std::string> paths) {
  std::set<ino_t> inodes;
  for (const std::string& path : paths) {
    struct stat status {};
    const bool is_there = ::lstat(tree.at(path).c_str(), &status) == 0;
    if (is_there && !S_ISDIR(status.st_mode) && status.st_nlink > 1) inodes.insert(status.st_ino);
  }
  if (inodes.empty()) return paths;
  for (const auto& one : fs::recursive_directory_iterator(tree.path())) {
    struct stat status {};
    REQUIRE(::lstat(one.path().c_str(), &status) == 0);
    if (inodes.contains(status.st_ino)) paths.insert(one.path().lexically_relative(tree.path()).native());
  }
  return paths;
}

/// The rule that is named for a path must be the one that a scan of that path went by.
void check_ruling(const ScanPlan& plan, const RelPath& path) {
  Scope asked;
  asked.add(path);
  const ScanResult result = scan_now(plan, asked, 1);
  CAPTURE(path.str());
  REQUIRE(result.scope.paths().size() == 1);
  const RelPath& seat = *result.scope.paths().begin();
  const Ruling ruling = ruling_for(plan, seat);
  CHECK(ruling.at == seat.str());
  CHECK((ruling.entry == plan.manifest->manifest().find(seat.str())));
  std::error_code error;
  const bool is_there = fs::symlink_status(fs::path(plan.root) / seat.str(), error).type() != fs::file_type::not_found;
  const bool is_found = !result.findings.empty() && result.findings.front().path == seat.str();
  switch (ruling.rule) {
    case Rule::unlisted: CHECK(is_found == (is_there && plan.report_additions)); break;
    case Rule::listed: CHECK_FALSE((is_found && result.findings.front().kind == DriftKind::added)); break;
    case Rule::ignored:
    case Rule::mutable_path: CHECK_FALSE((is_found && result.findings.front().changes.empty())); break;
    case Rule::passage:
    case Rule::own_manifest: CHECK_FALSE((is_found && result.findings.front().kind != DriftKind::added)); break;
    case Rule::nested_tree:
      // A link is this tree's business, which only a look at the disk can tell.
      CHECK(is_found <= fs::is_symlink(fs::path(plan.root) / seat.str(), error));
  }
}

/// A tree is edited and scanned as a whole, then edited further and only what was touched is scanned again.
void run_case(unsigned long seed) {
  const TempTree tree(TempTree::Where::memory);
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  const unsigned one = seed % 2 == 0 ? 1 : 2;
  const unsigned other = 3 - one;

  for (std::size_t i = chaos.below(10); i > 0; --i) (void)chaos.edit();
  DriftSet kept;
  kept.apply(scan_and_judge(plan, rules, one), {}, 0);

  Scope touched;
  for (std::size_t i = chaos.below(6); i > 0; --i) {
    for (const std::string& path : with_other_names(tree, chaos.edit())) {
      touched.add(*RelPath::parse(kept.rescan_path(path)));
    }
  }
  kept.apply(scan_now(plan, touched, one), {}, 0);
  DriftSet fresh;
  fresh.apply(scan_and_judge(plan, rules, other), {}, 0);
  CHECK(drift_of(timeless(kept)) == drift_of(timeless(fresh)));
  CHECK(timeless(kept) == timeless(fresh));
  if (seed % 8 == 0) check_ruling(plan, *RelPath::parse(chaos.pick_path()));
}

/// However many threads work, they find the same.
void run_case_with_threads(unsigned long seed) {
  const TempTree tree(TempTree::Where::memory);
  Chaos chaos(tree, seed);
  chaos.populate("", 3);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  for (std::size_t i = chaos.below(40); i > 0; --i) (void)chaos.edit();
  const ScanResult by_one = scan_and_judge(plan, rules, 1);
  for (const unsigned threads : {2U, 3U, 8U}) {
    const ScanResult by_many = scan_and_judge(plan, rules, threads);
    CHECK(by_one.findings == by_many.findings);
    CHECK(by_one.unchecked == by_many.unchecked);
    CHECK(by_one.hashed_files == by_many.hashed_files);
    CHECK(by_one.hashed_bytes == by_many.hashed_bytes);
  }
}

/// Scans while another thread edits: nothing can be said of the findings, but that every entry is judged, no path
/// twice, and that a scan after the last edit is right.
void run_case_while_edited(unsigned long seed) {
  const TempTree tree(TempTree::Where::memory);
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);
  {
    std::jthread editing([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) (void)chaos.edit();
    });
    Chaos choice(tree, seed + 1);
    for (int i = 0; i < 20; ++i) {
      Scope scope;
      if (choice.one_in(2)) scope.add_whole();
      for (int path = 0; path < 3; ++path) scope.add(*RelPath::parse(choice.pick_path()));
      const unsigned threads = choice.one_in(2) ? 1 : 3;
      // Fails where an entry was judged twice or not at all.
      const auto result = scan(plan, scope, {.threads = threads, .throttle = nullptr}, {});
      CHECK_MESSAGE(result.has_value(), result.error().message);
    }
  }
  (void)scan_and_judge(plan, rules, 3);
}

}  // namespace

TEST_CASE("a scan finds what an obvious look at each path finds, and rescans keep a drift set true") {
  for_each_seed(10'000, run_case);
}

TEST_CASE("any number of threads finds the same, each file hashed once") { for_each_seed(100, run_case_with_threads); }

TEST_CASE("a scan of a tree that is being edited judges every entry once") { for_each_seed(50, run_case_while_edited); }
