#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/rel_path.hpp"
#include "scanner/compare.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/ruling.hpp"
#include "scanner/scan.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace fs = std::filesystem;

using namespace driftd::scanner;
using driftd::manifests::Entry;
using driftd::manifests::EntryType;
using driftd::manifests::RelPath;
using driftd::test::Entries;
using driftd::test::TempTree;

namespace {

/// What a scan has to say of one path.
struct Expected {
  DriftKind kind;
  std::uint64_t below;
  friend bool operator==(const Expected&, const Expected&) = default;
};
using Drift = std::map<std::string, Expected>;

std::ostream& operator<<(std::ostream& out, const Drift& drift) {
  for (const auto& [path, one] : drift) {
    out << "\n    " << to_string(one.kind) << " " << path << " with " << one.below << " below";
  }
  return out;
}

/// The rules of one case, in a form that the oracle can apply without the code under test.
struct Rules {
  Entries entries;
  bool tmp_is_mutable = false;  ///< the glob **/tmp/**
  bool report_additions = true;
  std::optional<std::string> manifest;  ///< exempt, with its signatures
  std::optional<std::string> nested;    ///< root of a nested tree
};

std::ostream& operator<<(std::ostream& out, const Rules& rules) {
  for (const auto& [path, entry] : rules.entries) {
    const bool is_checked = entry.blake3 || entry.sha256;
    out << "\n    " << to_string(file_type(entry.type)) << " " << path << (entry.ignore ? " ignored" : "")
        << (entry.optional ? " optional" : "") << (is_checked ? " with a digest" : "");
  }
  return out << "\n    tmp is mutable: " << rules.tmp_is_mutable << ", additions count: " << rules.report_additions
             << ", manifest at: " << rules.manifest.value_or("-") << ", nested tree at: " << rules.nested.value_or("-");
}

/// What a scan must find, written for being obviously right: it looks at one path at a time, follows the manual's
/// sentences, and takes any number of passes over the same directories.
class Oracle {
 public:
  Oracle(const Rules& rules, fs::path root) : rules_(rules), root_(std::move(root)) {}

  Drift drift() {
    if (bad_mode(root_, false)) found_["."] = {DriftKind::metadata, 0};
    directory("", false);
    return std::move(found_);
  }

 private:
  static bool exists(const fs::path& path) { return fs::symlink_status(path).type() != fs::file_type::not_found; }
  static fs::file_type type(const fs::path& path) { return fs::symlink_status(path).type(); }
  static unsigned mode(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
  }
  static bool bad_mode(const fs::path& path, bool is_file, bool executable = false) {
    if ((mode(path) & 06002U) != 0) return true;
    return is_file && ((mode(path) & 0100U) != 0) != executable;
  }
  static std::uint64_t on_disk_below(const fs::path& directory) {
    std::uint64_t count = 0;
    for ([[maybe_unused]] const auto& one : fs::recursive_directory_iterator(directory)) ++count;
    return count;
  }

  [[nodiscard]] std::uint64_t listed_below(const std::string& path) const {
    std::uint64_t count = 0;
    for (const auto& [other, entry] : rules_.entries) count += other.starts_with(path + "/") ? 1U : 0U;
    return count;
  }
  [[nodiscard]] bool any_digest_in(const std::string& path) const {
    for (const auto& [other, entry] : rules_.entries) {
      if ((other == path || other.starts_with(path + "/")) && (entry.blake3 || entry.sha256)) return true;
    }
    return false;
  }
  [[nodiscard]] bool is_mutable(const std::string& path) const {
    return rules_.tmp_is_mutable && ("/" + path + "/").find("/tmp/") != std::string::npos;
  }
  /// A directory on the way to an exempt path.
  [[nodiscard]] bool leads_to_exempt(const std::string& path) const {
    return (rules_.manifest && rules_.manifest->starts_with(path + "/")) ||
           (rules_.nested && rules_.nested->starts_with(path + "/"));
  }

  [[nodiscard]] bool is_own_manifest(const std::string& path) const {
    if (!rules_.manifest || (path != rules_.manifest && path != *rules_.manifest + ".minisig")) return false;
    if (type(root_ / path) == fs::file_type::symlink) return true;
    return type(root_ / path) == fs::file_type::regular && (mode(root_ / path) & 06113U) == 0;
  }

  static bool is_content(const Entry& entry, const std::string& content) {
    return (!entry.size || *entry.size == content.size()) &&
           (!entry.blake3 || *entry.blake3 == driftd::test::blake3_of(content)) &&
           (!entry.sha256 || *entry.sha256 == driftd::test::sha256_of(content));
  }

  void directory(const std::string& path, bool free) {
    std::set<std::string> names;
    const std::string prefix = path.empty() ? "" : path + "/";
    for (const auto& one : fs::directory_iterator(root_ / path)) names.insert(one.path().filename().native());
    for (const auto& [listed, entry] : rules_.entries) {
      if (listed.starts_with(prefix))
        names.insert(listed.substr(prefix.size(), listed.find('/', prefix.size()) - prefix.size()));
    }
    for (const std::string& name : names) one_path(prefix + name, free);
  }

  void one_path(const std::string& path, bool free) {
    if (path == rules_.nested) return;
    const auto listed = rules_.entries.find(path);
    if (listed == rules_.entries.end()) return unlisted(path, free);
    const Entry& entry = listed->second;
    const fs::path full = root_ / path;
    if (!exists(full)) {
      const bool may_vanish = entry.optional || (is_mutable(path) && !any_digest_in(path));
      if (!may_vanish) found_[path] = {DriftKind::missing, listed_below(path)};
      return;
    }
    const bool is_directory = type(full) == fs::file_type::directory;
    if (type(full) != expected_type(entry)) {
      found_[path] = {DriftKind::type, is_directory ? on_disk_below(full) : listed_below(path)};
    } else if (is_directory) {
      if (bad_mode(full, false)) found_[path] = {DriftKind::metadata, 0};
      directory(path, entry.ignore);
    } else if (entry.type == EntryType::symlink) {
      if (fs::read_symlink(full).native() != *entry.attributes.link) found_[path] = {DriftKind::target, 0};
    } else if (!is_content(entry, driftd::test::read_whole(full))) {
      found_[path] = {DriftKind::modified, 0};
    } else if (bad_mode(full, true, entry.executable)) {
      found_[path] = {DriftKind::metadata, 0};
    }
  }

  void unlisted(const std::string& path, bool free) {
    const fs::path full = root_ / path;
    const bool is_directory = type(full) == fs::file_type::directory;
    if (is_own_manifest(path)) return;
    if (is_directory && leads_to_exempt(path)) return directory(path, free);
    if (free || is_mutable(path)) {
      if (is_directory) return directory(path, free);
      if (type(full) == fs::file_type::regular && (mode(full) & 06000U) != 0) found_[path] = {DriftKind::added, 0};
    } else if (rules_.report_additions) {
      found_[path] = {DriftKind::added, is_directory ? on_disk_below(full) : 0};
    }
  }

  static fs::file_type expected_type(const Entry& entry) {
    switch (entry.type) {
      case EntryType::directory: return fs::file_type::directory;
      case EntryType::symlink: return fs::file_type::symlink;
      case EntryType::file: break;
    }
    return fs::file_type::regular;
  }

  const Rules& rules_;
  fs::path root_;
  Drift found_;
};

/// Random trees and edits. Few names, so that edits hit each other's traces.
class Chaos {
 public:
  Chaos(TempTree& tree, unsigned long seed) : tree_(tree), random_(seed) {}

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  bool one_in(std::size_t odds) { return below(odds) == 0; }

  void populate(const std::string& directory, std::size_t depth) {
    for (const char* name : kNames) {
      if (!one_in(2)) continue;
      const std::string path = join(directory, name);
      if (depth > 0 && one_in(2)) {
        tree_.dir(path);
        populate(path, depth - 1);
      } else if (one_in(5)) {
        tree_.link(path, pick_target());
      } else {
        tree_.file(path, pick_content(), one_in(4) ? 0755 : 0644);
      }
    }
  }

  /// One edit, if it is possible where it falls; returns the paths that kernel events would name.
  std::set<std::string> edit() {
    const std::string path = pick_path();
    const fs::file_type type = fs::symlink_status(tree_.at(path)).type();
    const bool is_file = type == fs::file_type::regular;
    switch (below(12)) {
      case 0:  // other content of the same size
        if (is_file) tree_.file(path, std::string(fs::file_size(tree_.at(path)), one_in(2) ? 'X' : 'Y'), mode_of(path));
        break;
      case 1:
        if (is_file) tree_.append(path, "more");
        break;
      case 2:
        if (is_file) tree_.file(path, pick_content(), mode_of(path));
        break;
      case 3:
      case 4:
        if (type != fs::file_type::not_found) tree_.remove(path);
        break;
      case 5:
        if (type != fs::file_type::not_found && type != fs::file_type::symlink) {
          constexpr mode_t kModes[] = {0644, 0755, 0600, 0700, 0666, 0777, 01755, 02755, 04755};
          tree_.mode(path, kModes[below(std::size(kModes))]);
        }
        break;
      case 6:  // something else stands there now
        if (type != fs::file_type::not_found) tree_.remove(path);
        create(path);
        break;
      case 7:
        if (type == fs::file_type::symlink) {
          tree_.remove(path);
          tree_.link(path, pick_target());
        }
        break;
      case 8:
      case 9: return rename(path);
      default:
        if (type == fs::file_type::not_found) create(path);
    }
    return {path};
  }

  /// A name in some real directory of the tree; something may stand there or not.
  std::string pick_path() {
    std::string directory;
    for (;;) {
      const std::string path = join(directory, pick_name());
      std::error_code vanished;  // while another thread edits
      if (one_in(2) || fs::symlink_status(tree_.at(path), vanished).type() != fs::file_type::directory) return path;
      directory = path;
    }
  }

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "a-b", "tmp", "x y\n", "\xff"};

  static std::string join(const std::string& directory, std::string_view name) {
    return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
  }
  [[nodiscard]] mode_t mode_of(const std::string& path) const {
    struct stat status {};
    REQUIRE(::lstat(tree_.at(path).c_str(), &status) == 0);
    return status.st_mode & 07777U;
  }

  std::string pick_name() {
    if (one_in(12)) return one_in(2) ? "rel" : "rel.minisig";
    return kNames[below(std::size(kNames))];
  }
  std::string pick_content() { return std::string(below(4), static_cast<char>('a' + below(2))); }
  std::string pick_target() {
    constexpr const char* kTargets[] = {"a", "..", ".", "/", "b/c", "no\nwhere"};
    return kTargets[below(std::size(kTargets))];
  }

  void create(const std::string& path) {
    switch (below(6)) {
      case 0: return tree_.link(path, pick_target());
      case 1: return tree_.fifo(path);
      case 2: return tree_.file(path, pick_content(), one_in(3) ? 04755 : 0644);
      case 3: return tree_.file(path, pick_content());
      default: tree_.dir(path), populate(path, 1);
    }
  }

  std::set<std::string> rename(const std::string& from) {
    const std::string to = pick_path();
    std::error_code error;
    fs::rename(tree_.at(from), tree_.at(to), error);  // into itself, onto a full directory: not possible, so no edit
    return {from, to};
  }

  TempTree& tree_;
  std::mt19937_64 random_;
};

Drift drift_of(const std::vector<Finding>& findings) {
  Drift drift;
  for (const Finding& finding : findings) {
    const bool fresh = drift.try_emplace(finding.path, Expected{finding.kind, finding.below}).second;
    CHECK_MESSAGE(fresh, "two findings for " << finding.path);
  }
  return drift;
}

/// All of a drift set but the times, which a look at one path cannot know of its parent.
std::vector<Finding> timeless(const DriftSet& set) {
  std::vector<Finding> findings;
  for (const auto& [path, open] : set.open()) {
    findings.push_back(open.finding);
    findings.back().changed_at.reset();
  }
  return findings;
}

Rules make_rules(Chaos& chaos, const TempTree& tree) {
  Rules rules;
  rules.entries = driftd::test::record(tree.path());
  rules.tmp_is_mutable = chaos.one_in(2);
  rules.report_additions = !chaos.one_in(5);
  if (chaos.one_in(3)) rules.manifest = chaos.one_in(2) ? "b/rel" : "rel";
  if (chaos.one_in(3)) rules.nested = chaos.one_in(2) ? "c" : "a/c";
  std::optional<std::string> ignored;
  for (auto at = rules.entries.begin(); at != rules.entries.end();) {
    auto& [path, entry] = *at;
    if (ignored && path.starts_with(*ignored + "/")) {
      at = rules.entries.erase(at);
      continue;
    }
    if (entry.type == EntryType::directory && chaos.one_in(8)) {
      entry.ignore = true;
      ignored = path;
    } else if (entry.type == EntryType::file && chaos.one_in(6)) {
      entry.size.reset();
      entry.blake3.reset();
      entry.sha256.reset();
    } else if (chaos.one_in(2)) {
      (chaos.one_in(2) ? entry.blake3 : entry.sha256).reset();
    }
    entry.optional = chaos.one_in(8);
    ++at;
  }
  return rules;
}

ScanPlan make_plan(const Rules& rules, const TempTree& tree) {
  ScanPlan plan;
  auto header = driftd::test::header_of();
  if (rules.tmp_is_mutable) header = driftd::test::with_globs(header, {"**/tmp/**"});
  plan.manifest = driftd::test::make_release(rules.entries, header);
  plan.root = tree.path();
  plan.report_additions = rules.report_additions;
  if (rules.manifest) plan.exemptions.add_manifest(*RelPath::parse(*rules.manifest));
  if (rules.nested) plan.exemptions.add_nested_tree(*RelPath::parse(*rules.nested));
  return plan;
}

ScanResult scan_now(const ScanPlan& plan, const Scope& scope, unsigned threads) {
  ScanResult result = driftd::test::must(scan(plan, scope, {.threads = threads, .throttle = nullptr}, {}));
  CHECK(result.unverified.empty());
  return result;
}

/// The rule that is named for a path must be the one that a scan of that path went by.
void check_ruling(const ScanPlan& plan, const RelPath& path) {
  Scope asked;
  asked.add(path);
  const ScanResult result = scan_now(plan, asked, 1);
  CAPTURE(path.str());
  if (result.scope.empty()) {
    CHECK((ruling_for(plan, path).rule == Rule::nested_tree));
    return;
  }
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
    case Rule::nested_tree: FAIL_CHECK("looked at what is another tree's");
  }
}

void run_case(unsigned long seed) {
  TempTree tree;
  Chaos chaos(tree, seed);
  chaos.populate("", 2);
  const Rules rules = make_rules(chaos, tree);
  const ScanPlan plan = make_plan(rules, tree);
  CAPTURE(rules);

  DriftSet kept;  // kept up to date by rescans alone
  for (std::size_t i = chaos.below(10); i > 0; --i) (void)chaos.edit();
  kept.apply(scan_now(plan, Scope::whole(), 1), {}, 0);
  for (int round = 0; round < 4; ++round) {
    Scope touched;
    for (std::size_t i = chaos.below(6); i > 0; --i) {
      for (const std::string& path : chaos.edit()) touched.add(*RelPath::parse(kept.rescan_path(path)));
    }
    kept.apply(scan_now(plan, touched, round % 2 == 0 ? 1 : 3), {}, 0);

    const ScanResult by_one = scan_now(plan, Scope::whole(), 1);
    const ScanResult by_three = scan_now(plan, Scope::whole(), 3);
    CHECK(by_one.findings == by_three.findings);
    CHECK(by_one.unchecked == by_three.unchecked);
    CHECK(by_one.entries == plan.manifest->manifest().size());
    CHECK(drift_of(by_one.findings) == Oracle(rules, tree.path()).drift());

    DriftSet fresh;
    fresh.apply(by_one, {}, 0);
    CHECK(drift_of(timeless(kept)) == drift_of(timeless(fresh)));
    CHECK(timeless(kept) == timeless(fresh));
    for (int i = 0; i < 4; ++i) check_ruling(plan, *RelPath::parse(chaos.pick_path()));
  }
}

/// Scans while another thread edits: nothing can be said of the findings, but that every entry is judged, no path
/// twice, and that a scan after the last edit is right.
void run_case_while_edited(unsigned long seed) {
  TempTree tree;
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
  CHECK(drift_of(scan_now(plan, Scope::whole(), 3).findings) == Oracle(rules, tree.path()).drift());
}

unsigned long number_from(const char* variable, unsigned long otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// DRIFTD_SEED repeats a failure that was printed, with DRIFTD_CASES=1.
void for_each_seed(unsigned long cases_otherwise, void (*run)(unsigned long)) {
  const unsigned long first = number_from("DRIFTD_SEED", std::random_device{}());
  const unsigned long cases = number_from("DRIFTD_CASES", cases_otherwise);
  for (unsigned long seed = first; seed < first + cases; ++seed) {
    CAPTURE(seed);
    run(seed);
  }
}

}  // namespace

TEST_CASE("a scan finds what an obvious look at each path finds, and rescans keep a drift set true") {
  for_each_seed(300, run_case);
}

TEST_CASE("a scan of a tree that is being edited judges every entry once") { for_each_seed(50, run_case_while_edited); }
