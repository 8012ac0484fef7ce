#include "scanner/drift_set.hpp"

#include <algorithm>
#include <set>

namespace driftd::scanner {
namespace {

/// Calls `visit(iterator)` for all of the map that lies in `scope`; `visit` returns the iterator to go on with.
template <class Map, class Visit>
void for_each_in(Map& map, const Scope& scope, Visit visit) {
  if (scope.is_whole()) {
    for (auto at = map.begin(); at != map.end();) at = visit(at);
    return;
  }
  for (const auto& path : scope.paths()) {
    if (const auto at = map.find(path.str()); at != map.end()) visit(at);
    const std::string prefix = path.str() + "/";
    for (auto at = map.lower_bound(prefix); at != map.end() && at->first.starts_with(prefix);) at = visit(at);
  }
}

Scope paths_of(const std::vector<Unverified>& unverified) {
  Scope scope;
  for (const Unverified& one : unverified) {
    const auto path = manifests::RelPath::parse(one.path);
    path ? scope.add(*path) : scope.add_whole();
  }
  return scope;
}

}  // namespace

DriftChanges DriftSet::apply(const ScanResult& result, const Scope& newer, std::int64_t now, Pending pending) {
  std::vector<const Finding*> found;
  for (const Finding& finding : result.findings) found.push_back(&finding);
  if (pending == Pending::drift) {
    for (const Finding& finding : result.pending) found.push_back(&finding);
  }
  DriftChanges changes;
  std::set<std::string_view> found_paths;
  for (const Finding* finding : found) found_paths.insert(finding->path);
  const Scope not_seen = paths_of(result.unverified);
  const auto end_unless_found = [&](auto& known) {
    for_each_in(known, result.scope, [&](auto at) {
      if (newer.covers(at->first)) return std::next(at);
      if (found_paths.contains(at->first) || not_seen.covers(at->first)) {
        at->second.outdated = false;
        return std::next(at);
      }
      changes.resolved.push_back(std::move(at->second));
      return known.erase(at);
    });
  };
  end_unless_found(open_);
  end_unless_found(recalled_);
  for (const Finding* finding : found) {
    if (newer.covers(finding->path)) continue;
    const auto recalled = recalled_.extract(finding->path);
    const std::int64_t first_seen = recalled ? recalled.mapped().first_seen : now;
    const auto [at, fresh] = open_.try_emplace(finding->path, OpenDrift{*finding, first_seen});
    if (fresh) {
      (recalled ? changes.recalled : changes.opened).push_back(*finding);
    } else {
      at->second.altered = at->second.altered || at->second.finding.actual != finding->actual;
      at->second.finding = *finding;
    }
  }
  const auto replace = [&](auto& known, const auto& seen) {
    for_each_in(known, result.scope,
                [&](auto at) { return newer.covers(at->first) ? std::next(at) : known.erase(at); });
    for (const auto& one : seen) {
      if (!newer.covers(one.path)) known.insert_or_assign(one.path, one);
    }
  };
  replace(unverified_, result.unverified);
  replace(pending_, result.pending);
  return changes;
}

DriftChanges DriftSet::end_excuse(std::int64_t now) {
  DriftChanges changes;
  for (const auto& [path, finding] : pending_) {
    if (open_.try_emplace(path, OpenDrift{finding, now}).second) changes.opened.push_back(finding);
  }
  return changes;
}

void DriftSet::recall(std::map<std::string, OpenDrift> open) { recalled_.merge(open); }

void DriftSet::forget() {
  recalled_.merge(open_);
  open_.clear();
  pending_.clear();
  unverified_.clear();
}

void DriftSet::outdate() {
  for (auto& [path, open] : open_) open.outdated = true;
  for (auto& [path, open] : recalled_) open.outdated = true;
}

std::size_t DriftSet::count(DriftKind kind) const {
  return static_cast<std::size_t>(
      std::count_if(open_.begin(), open_.end(), [&](const auto& one) { return one.second.finding.kind == kind; }));
}

std::string DriftSet::rescan_path(const std::string& path) const {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (open_.contains(above) || unverified_.contains(above) || pending_.contains(above)) return above;
  }
  return path;
}

}  // namespace driftd::scanner
