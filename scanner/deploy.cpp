#include "scanner/deploy.hpp"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "manifests/unique_fd.hpp"
#include "scanner/compare.hpp"
#include "scanner/observe.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::kRootEntry;
using manifests::Manifest;
using manifests::RelPath;
using manifests::Result;

constexpr std::string_view kRootPath = ".";

template <class Item>
using ByPath = std::map<std::string, Item, std::less<>>;

template <class Item>
ByPath<Item> by_path(std::vector<Item> items) {
  ByPath<Item> map;
  for (Item& item : items) map.insert_or_assign(item.path, std::move(item));
  return map;
}

template <class Item>
std::vector<Item> values(ByPath<Item> map) {
  std::vector<Item> items;
  for (auto& [path, item] : map) items.push_back(std::move(item));
  return items;
}

/// The first that concerns `path`: at it, or at a directory above it.
template <class Item>
const Item* at_or_above(const ByPath<Item>& map, std::string_view path) {
  for (;;) {
    if (const auto found = map.find(path); found != map.end()) return &found->second;
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) return nullptr;
    path = path.substr(0, slash);
  }
}

template <class Visit>
void for_each_below(const ByPath<Finding>& map, const std::string& path, Visit visit) {
  const std::string prefix = path + "/";
  for (auto at = map.lower_bound(prefix); at != map.end() && at->first.starts_with(prefix); ++at) visit(at->second);
}

/// The root has no scope of its own.
bool root_is_as_in(const Manifest& manifest, const ScanPlan& plan) {
  const manifests::UniqueFd root(::open(plan.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto mount = root ? mount_of(root.get()) : std::nullopt;
  if (!mount) return false;
  Observed observed;
  return Observer(*mount, nullptr, nullptr, {}).observe_directory(root.get(), observed).outcome == Outcome::seen &&
         !compare(manifest, kRootEntry, observed, plan.accounts);
}

Scope scope_of(const ByPath<Finding>& findings) {
  Scope scope;
  for (const auto& [path, finding] : findings) {
    if (const auto relative = RelPath::parse(path)) scope.add(*relative);
  }
  return scope;
}

bool is_random(std::string_view suffix) {
  return std::all_of(suffix.begin(), suffix.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); });
}

/// The paths that a file in transit may have when it arrives. rsync writes `.NAME.XXXXXX` beside NAME (and beside a
/// NAME that has a dot in front already), dpkg `NAME.dpkg-new`, keeping `NAME.dpkg-tmp`; both rename.
std::vector<std::string> destinations_of(std::string_view path) {
  constexpr std::size_t kRandom = 6;
  const std::size_t name_at = path.rfind('/') + 1;  // npos + 1 is 0
  const std::string_view name = path.substr(name_at);
  const std::string directory(path.substr(0, name_at));
  for (const std::string_view suffix : {std::string_view(".dpkg-new"), std::string_view(".dpkg-tmp")}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return {directory + std::string(name.substr(0, name.size() - suffix.size()))};
    }
  }
  if (name.size() < kRandom + 3 || name.front() != '.' || name[name.size() - kRandom - 1] != '.') return {};
  if (!is_random(name.substr(name.size() - kRandom))) return {};
  const std::string stem(name.substr(0, name.size() - kRandom - 1));
  return {directory + stem.substr(1), directory + stem};
}

/// What a scan found against the new release, and what the same paths are against the one before.
struct Division {
  ByPath<Finding> pending;
  ByPath<Finding> drift;
  ByPath<Unverified> unverified;
};

template <class Item>
void replace_in(const Scope& scope, ByPath<Item>& all, ByPath<Item> part) {
  std::erase_if(all, [&](const auto& one) { return scope.covers(one.first); });
  for (auto& [path, item] : part) all.insert_or_assign(path, std::move(item));
}

/// One pair of looks at some paths, the first of which has been made.
class Divider {
 public:
  explicit Divider(const ScanPlan& plan)
      : plan_(plan), next_(plan.manifest->manifest()), previous_(plan.previous->manifest()) {}

  Division divide(std::vector<Finding> findings, ScanResult before) {
    before_ = by_path(std::move(before.findings));
    const auto unverified = by_path(std::move(before.unverified));
    for (Finding& finding : findings) {
      const std::string path = finding.path;
      const bool is_there = path != kRootPath && finding.kind != DriftKind::missing;
      if (const Unverified* one = is_there ? at_or_above(unverified, path) : nullptr) {
        division_.unverified.insert_or_assign(path, Unverified{path, one->reason, one->error, finding.below});
        continue;
      }
      (is_pending(finding) ? division_.pending : division_.drift).insert_or_assign(path, std::move(finding));
    }
    return std::move(division_);
  }

 private:
  bool is_pending(const Finding& finding) {
    if (finding.path == kRootPath) return root_is_as_in(previous_, plan_);
    if (finding.kind == DriftKind::missing) return may_be_missing(finding.path);
    if (finding.path.size() > manifests::kMaxPath) return false;  // no release lists it, nor could it be looked up
    if (at_or_above(before_, finding.path) != nullptr) return is_in_transit(finding);
    // What neither release has may be gone already.
    for_each_below(before_, finding.path, [&](const Finding& below) {
      const bool is_gone_in_both = below.kind == DriftKind::missing && !next_.find(below.path);
      if (!is_gone_in_both && !is_in_transit(below)) division_.drift.insert_or_assign(below.path, below);
    });
    return true;
  }

  /// The release before may be without it, or have something else there that has to go first.
  [[nodiscard]] bool may_be_missing(const std::string& path) const {
    const auto before = previous_.find(path);
    if (!before || previous_.optional(*before)) return true;
    const auto after = next_.find(path);
    return after && next_.type(*after) != previous_.type(*before);
  }

  /// What a deploy tool is writing, to be renamed to a path of the release. It keeps the deploy open, and is drift when
  /// that has had its time.
  [[nodiscard]] bool is_in_transit(const Finding& finding) const {
    constexpr std::uint32_t kPrivilege = 06000;
    if (finding.kind != DriftKind::added) return false;
    const Facts actual = finding.actual.unpack();
    const bool is_link = actual.type == FileType::symlink;
    const bool is_harmless = is_link || (actual.type == FileType::file && !actual.capability &&
                                         (actual.mode.value_or(kPrivilege) & kPrivilege) == 0);
    if (!is_harmless) return false;
    const auto wanted = is_link ? manifests::EntryType::symlink : manifests::EntryType::file;
    const auto destinations = destinations_of(finding.path);
    return std::any_of(destinations.begin(), destinations.end(), [&](const std::string& path) {
      const auto entry = next_.find(path);
      return !path.empty() && entry && next_.type(*entry) == wanted;
    });
  }

  const ScanPlan& plan_;
  const Manifest& next_;
  const Manifest& previous_;
  ByPath<Finding> before_;
  Division division_;
};

bool same_paths(const ByPath<Finding>& a, const ByPath<Finding>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& one, const auto& other) { return one.first == other.first; });
}

void add_counts(const ScanResult& from, ScanResult& into) {
  into.hashed_files += from.hashed_files;
  into.hashed_bytes += from.hashed_bytes;
}

/// The second look of a pair: the paths that differ from the new release and are there, against the one before.
Result<ScanResult> look_at_previous(const ScanPlan& plan, const std::vector<Finding>& findings,
                                    const ScanOptions& options, const std::stop_token& stop) {
  Scope scope;
  for (const Finding& finding : findings) {
    const auto path = RelPath::parse(finding.path);
    if (path && finding.kind != DriftKind::missing) scope.add(*path);
  }
  if (scope.empty()) return ScanResult{};
  ScanPlan before = plan;
  before.report_additions = true;  // what is looked at here is in one of the releases, or wanted to be known
  return scan_against(plan.previous->manifest(), before, scope, options, stop);
}

}  // namespace

Result<void> set_pending_apart(const ScanPlan& plan, const ScanOptions& options, const std::stop_token& stop,
                               ScanResult& result) {
  // A path that is replaced between the two looks of a pair matches neither release. So what seems to is looked at
  // again, as a pair, until twice the same paths do; the last look at a path is what counts.
  constexpr int kMostPairs = 4;
  Division all;
  all.unverified = by_path(std::exchange(result.unverified, {}));
  std::vector<Finding> findings = std::exchange(result.findings, {});
  ByPath<Finding> drift_before;
  for (int pair = 1;; ++pair) {
    auto before = look_at_previous(plan, findings, options, stop);
    if (!before) return before.error();
    add_counts(*before, result);
    Division part = Divider(plan).divide(std::move(findings), std::move(*before));
    const Scope doubtful = scope_of(part.drift);
    const bool is_settled =
        doubtful.empty() || (pair > 1 && same_paths(part.drift, drift_before)) || pair == kMostPairs;
    drift_before = part.drift;
    for (auto& [path, finding] : part.pending) all.pending.insert_or_assign(path, std::move(finding));
    for (auto& [path, finding] : part.drift) all.drift.insert_or_assign(path, std::move(finding));
    for (auto& [path, one] : part.unverified) all.unverified.insert_or_assign(path, std::move(one));
    if (is_settled) break;

    auto again = scan_against(plan.manifest->manifest(), plan, doubtful, options, stop);
    if (!again) return again.error();
    add_counts(*again, result);
    result.scope.add_all(again->scope);
    replace_in(again->scope, all.pending, {});
    replace_in(again->scope, all.drift, {});
    replace_in(again->scope, all.unverified, by_path(std::move(again->unverified)));
    findings = std::move(again->findings);
  }
  result.findings = values(std::move(all.drift));
  result.pending = values(std::move(all.pending));
  result.unverified = values(std::move(all.unverified));
  return {};
}

namespace {

/// Whether both ask the same of a path, apart from what lies below it. Where they hold digests of different kinds they
/// may, but nobody can tell.
bool same_entry(const Manifest& a, EntryIndex in_a, const Manifest& b, EntryIndex in_b) {
  return a.entry(in_a) == b.entry(in_b);
}

/// Walks both manifests side by side, as deep as both have the directory.
void compare_children(const Manifest& a, EntryIndex in_a, const Manifest& b, EntryIndex in_b, Scope& scope) {
  const auto children_a = a.children(in_a);
  const auto children_b = b.children(in_b);
  auto at_a = children_a.begin();
  auto at_b = children_b.begin();
  const auto add = [&](const Manifest& manifest, EntryIndex entry) {
    scope.add(*RelPath::parse(manifest.path(entry)));
  };
  while (at_a != children_a.end() || at_b != children_b.end()) {
    if (at_b == children_b.end() || (at_a != children_a.end() && a.name(*at_a) < b.name(*at_b))) {
      add(a, *at_a++);
    } else if (at_a == children_a.end() || b.name(*at_b) < a.name(*at_a)) {
      add(b, *at_b++);
    } else {
      if (!same_entry(a, *at_a, b, *at_b)) {
        add(a, *at_a);
      } else {
        compare_children(a, *at_a, b, *at_b, scope);
      }
      ++at_a;
      ++at_b;
    }
  }
}

}  // namespace

Scope differing_paths(const Manifest& a, const Manifest& b) {
  const auto& globs_a = a.header().mutable_globs;
  const auto& globs_b = b.header().mutable_globs;
  const bool same_rules = std::equal(globs_a.begin(), globs_a.end(), globs_b.begin(), globs_b.end(),
                                     [](const auto& one, const auto& other) { return one.text() == other.text(); });
  if (!same_rules || !same_entry(a, kRootEntry, b, kRootEntry)) return Scope::whole();
  Scope scope;
  compare_children(a, kRootEntry, b, kRootEntry, scope);
  return scope;
}

}  // namespace driftd::scanner
