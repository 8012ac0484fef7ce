#include "scanner/drift_set.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

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

/// In order, to be searched. They are good as long as the findings are not moved.
std::vector<std::string_view> paths_found(const ScanResult& result, Pending pending) {
  std::vector<std::string_view> paths;
  paths.reserve(result.findings.size());
  for (const Finding& finding : result.findings) paths.emplace_back(finding.path);
  if (pending == Pending::drift) {
    for (const Finding& finding : result.pending) paths.emplace_back(finding.path);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// What `seen` says of `scope` takes the place of what was known of it.
template <class Item>
void replace(std::map<std::string, Item>& known, const Scope& scope, const Scope& newer, std::vector<Item> seen) {
  for_each_in(known, scope, [&](auto at) { return newer.covers(at->first) ? std::next(at) : known.erase(at); });
  for (Item& one : seen) {
    if (!newer.covers(one.path)) known.insert_or_assign(one.path, std::move(one));
  }
}

/// The length of the shortest path in the map that `path` lies below; npos where there is none. It does not look up
/// each of the paths above, which may be thousands, but only those that can be there after what is.
template <class Map>
std::size_t topmost_above(const Map& map, const std::string& path) {
  std::size_t slash = path.find('/');
  while (slash != std::string::npos) {
    const auto at = map.lower_bound(path.substr(0, slash));
    if (at == map.end()) return std::string::npos;
    const std::string& next = at->first;
    const std::size_t shared = static_cast<std::size_t>(
        std::mismatch(next.begin(), next.end(), path.begin(), path.end()).first - next.begin());
    // It sorts behind all that begins as what was looked for.
    if (shared < slash) return std::string::npos;
    if (shared == next.size() && shared < path.size() && path[shared] == '/') return shared;
    // What it begins with sorts before it.
    slash = path.find('/', shared + 1);
  }
  return std::string::npos;
}

/// Whether both name the same program of the same person, in one process or several.
bool is_same_author(const PathEvidence& one, const PathEvidence& other) {
  if (!one.last || !other.last) return one.last == other.last;
  const auto author = [](const Evidence& who) {
    return std::tie(who.name, who.executable, who.uid, who.login_uid, who.session, who.terminal, who.client, who.unit,
                    who.container);
  };
  return author(*one.last) == author(*other.last);
}

/// Whether who changed a directory, or removed something from it, is known still: whoever has come and gone in it since
/// was told, and it was not that.
bool is_known_still(const OpenDrift& open, const Finding& now) {
  const auto& before = open.evidence;
  return before && before->last && before->changed && before->file == now.file && now.told_since &&
         *now.told_since <= before->changed->latest && before->changed->latest < *now.file_time();
}

/// What a scan knows of who touched drift that was there before it.
void attribute(OpenDrift& open, const PathEvidence* evidence, bool is_altered, DriftChanges& changes) {
  if (evidence == nullptr) {
    // Somebody changed it once more, and nobody saw who.
    if (!is_altered || !open.evidence) return;
    open.evidence.reset();
    changes.attributed.push_back(&open);
    return;
  }
  const PathEvidence before = open.evidence ? *open.evidence : PathEvidence{};
  open.evidence = std::make_shared<const PathEvidence>(merged(before, *evidence));
  if (!is_same_author(before, *open.evidence)) {
    changes.attributed.push_back(&open);
  } else if (!is_same_process(before, *open.evidence) || before.changed != open.evidence->changed) {
    changes.repeated.push_back(&open);
  }
}

}  // namespace

DriftChanges DriftSet::apply(ScanResult result, const Scope& newer, std::int64_t now, Pending pending) {
  DriftChanges changes;
  end_unless_found(result, newer, pending, changes);
  const auto take_one = [&](Finding finding) {
    if (newer.covers(finding.path)) return;
    const auto known = result.evidence.find(finding.path);
    take(std::move(finding), known != result.evidence.end() ? &known->second : nullptr, now, changes);
  };
  for (Finding& finding : result.findings) take_one(std::move(finding));
  if (pending == Pending::drift) {
    for (const Finding& finding : result.pending) take_one(finding);
  }
  replace(unverified_, result.scope, newer, std::move(result.unverified));
  replace(pending_, result.scope, newer, std::move(result.pending));
  return changes;
}

void DriftSet::end_unless_found(const ScanResult& result, const Scope& newer, Pending pending, DriftChanges& changes) {
  const auto found = paths_found(result, pending);
  const Scope not_seen = paths_of(result.unverified);
  const auto end_in = [&](auto& known) {
    for_each_in(known, result.scope, [&](auto at) {
      if (newer.covers(at->first)) return std::next(at);
      if (std::binary_search(found.begin(), found.end(), at->first) || not_seen.covers(at->first)) {
        at->second.outdated = false;
        return std::next(at);
      }
      const auto next = std::next(at);
      changes.resolved.insert(known.extract(at));
      return next;
    });
  };
  end_in(open_);
  end_in(recalled_);
}

void DriftSet::take(Finding finding, const PathEvidence* evidence, std::int64_t now, DriftChanges& changes) {
  auto recalled = recalled_.extract(finding.path);
  const auto [at, fresh] = open_.try_emplace(finding.path);
  OpenDrift& open = at->second;
  const bool is_altered = !fresh && open.finding.actual != finding.actual;
  if (recalled && fresh) {
    open.first_seen = recalled.mapped().first_seen;
    open.notice = recalled.mapped().notice;
    open.evidence = std::move(recalled.mapped().evidence);
    changes.recalled.push_back(&open);
  } else if (fresh) {
    open.first_seen = now;
    if (evidence != nullptr) open.evidence = std::make_shared<const PathEvidence>(*evidence);
    changes.opened.push_back(&open);
  }
  if (evidence == nullptr && is_known_still(open, finding)) {
    PathEvidence extended = *open.evidence;
    extended.changed->latest = *finding.file_time();
    open.evidence = std::make_shared<const PathEvidence>(std::move(extended));
    changes.repeated.push_back(&open);
  }
  // While nobody looked, or by a way that gives no events.
  const bool is_newer = open.evidence && open.evidence->last && !is_of(*open.evidence, finding);
  const bool is_new = fresh && !recalled;
  if (!is_new) attribute(open, evidence, is_altered || is_newer, changes);
  // The history may know of somebody still who is not known any more.
  const bool is_forgotten = recalled && open.evidence && !open.evidence->last;
  if (is_forgotten && evidence == nullptr) changes.repeated.push_back(&open);
  open.altered = open.altered || is_altered;
  open.finding = std::move(finding);
}

DriftChanges DriftSet::end_excuse(std::int64_t now) {
  DriftChanges changes;
  for (const auto& [path, finding] : pending_) {
    const auto [at, fresh] = open_.try_emplace(path, OpenDrift{finding, now});
    if (fresh) changes.opened.push_back(&at->second);
  }
  return changes;
}

void DriftSet::recall(std::map<std::string, OpenDrift> open) { recalled_.merge(open); }

void DriftSet::forget() {
  // Another root may come, and what is there was made by others.
  static const auto kUnknown = std::make_shared<const PathEvidence>();
  for (auto& [path, open] : open_) {
    if (open.evidence) open.evidence = kUnknown;
  }
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
  return path.substr(0, std::min({topmost_above(open_, path), topmost_above(unverified_, path),
                                  topmost_above(pending_, path), path.size()}));
}

}  // namespace driftd::scanner
