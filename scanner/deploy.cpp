#include "scanner/deploy.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "scanner/compare.hpp"

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

/// The root has no scope of its own; its attributes have all been seen.
bool root_is_as_in(const Manifest& manifest, const Finding& finding) {
  const Facts wanted = expected_facts(manifest, kRootEntry);
  const auto agrees = [](const auto& expected, const auto& actual) { return !expected || expected == actual; };
  return agrees(wanted.mode, finding.actual.mode) && agrees(wanted.owner, finding.actual.owner) &&
         agrees(wanted.group, finding.actual.group) && wanted.acl == finding.actual.acl;
}

Scope scope_of(const ByPath<Finding>& findings) {
  Scope scope;
  for (const auto& [path, finding] : findings) {
    if (const auto relative = RelPath::parse(path)) scope.add(*relative);
  }
  return scope;
}

/// What a scan found against the new release, and what the same paths are against the one before.
struct Division {
  ByPath<Finding> pending;
  ByPath<Finding> drift;
  ByPath<Unverified> unverified;
};

Division divide(std::vector<Finding> findings, const ScanPlan& plan, ScanResult before) {
  const Manifest& next = plan.manifest->manifest();
  const Manifest& previous = plan.previous->manifest();
  const auto differs_from_previous = by_path(std::move(before.findings));
  const auto unverified = by_path(std::move(before.unverified));
  Division division;
  for (Finding& finding : findings) {
    const std::string path = finding.path;
    bool is_pending = false;
    if (path == kRootPath) {
      is_pending = root_is_as_in(previous, finding);
    } else if (finding.kind == DriftKind::missing) {
      const auto entry = previous.find(path);
      is_pending = !entry || previous.optional(*entry);
    } else if (const Unverified* one = at_or_above(unverified, path)) {
      division.unverified.insert_or_assign(path, Unverified{path, one->reason, one->error, finding.below});
      continue;
    } else {
      is_pending = at_or_above(differs_from_previous, path) == nullptr;
      if (is_pending) {
        // What neither release has may be gone already.
        for_each_below(differs_from_previous, path, [&](const Finding& below) {
          const bool is_gone_in_both = below.kind == DriftKind::missing && !next.find(below.path);
          if (!is_gone_in_both) division.drift.insert_or_assign(below.path, below);
        });
      }
    }
    (is_pending ? division.pending : division.drift).insert_or_assign(path, std::move(finding));
  }
  return division;
}

void count(const ScanResult& from, ScanResult& into) {
  into.hashed_files += from.hashed_files;
  into.hashed_bytes += from.hashed_bytes;
}

}  // namespace

Result<void> set_pending_apart(const ScanPlan& plan, const ScanOptions& options, const std::stop_token& stop,
                               ScanResult& result) {
  Scope scope;
  for (const Finding& finding : result.findings) {
    const auto path = RelPath::parse(finding.path);
    if (path && finding.kind != DriftKind::missing) scope.add(*path);
  }
  ScanResult before;
  if (!scope.empty()) {
    auto looked = scan_against(plan.previous->manifest(), plan, scope, options, stop);
    if (!looked) return looked.error();
    before = std::move(*looked);
    count(before, result);
  }
  Division division = divide(std::exchange(result.findings, {}), plan, std::move(before));

  // A file that was replaced between the two looks matched neither: the first came too early, the second too late.
  if (const Scope doubtful = scope_of(division.drift); !doubtful.empty()) {
    auto again = scan_against(plan.manifest->manifest(), plan, doubtful, options, stop);
    if (!again) return again.error();
    count(*again, result);
    const auto still = by_path(std::move(again->findings));
    const auto unsure = by_path(std::move(again->unverified));
    std::erase_if(division.drift, [&](const auto& one) {
      if (one.first == kRootPath || at_or_above(still, one.first) != nullptr) return false;
      if (const Unverified* lost = at_or_above(unsure, one.first)) {
        division.unverified.insert_or_assign(one.first, Unverified{one.first, lost->reason, lost->error, 0});
      }
      return true;
    });
  }
  result.findings = values(std::move(division.drift));
  result.pending = values(std::move(division.pending));
  for (Unverified& one : result.unverified) division.unverified.insert_or_assign(one.path, std::move(one));
  result.unverified = values(std::move(division.unverified));
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
