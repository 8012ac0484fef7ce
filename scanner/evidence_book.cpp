#include "scanner/evidence_book.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace driftd::scanner {
namespace {

std::optional<PathEvidence::Changed> once_more(const PathEvidence& before, std::optional<FileTime> changed) {
  if (!changed) return std::nullopt;
  // A clock that was set back leaves nothing to compare with.
  const bool goes_on = before.changed && before.changed->first <= *changed;
  return PathEvidence::Changed{goes_on ? before.changed->first : *changed, *changed};
}

}  // namespace

void EvidenceBook::note(const std::string& path, Toucher last, std::int64_t wall_clock, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (last.names_changed) names_changed_.insert_or_assign(std::string(parent_of(path)), *last.names_changed);
  if (names_changed_.size() > kMostPaths) names_changed_.clear();
  if (last.is_gone) last.changed = last.names_changed;
  const auto [at, fresh] = entries_.try_emplace(path);
  Entry& entry = at->second;
  entry.is_gone = last.is_gone;
  if (!last.process && last.pid == entry.pid && is_same_process(last.pid, entry.seen, last.seen)) {
    entry.evidence.at = wall_clock;
    entry.evidence.changed = once_more(entry.evidence, last.changed);
    entry.at = now;
    return;
  }
  // Which of several was the last is not known then.
  if (!fresh && last.queue != 0 && last.queue == entry.queue && last.pid != entry.pid)
    last = {nullptr, 0, {}, last.queue, last.changed, {}, last.is_gone};
  PathEvidence evidence{std::move(last.process), wall_clock, false};
  evidence.changed = once_more(is_same_process(entry.evidence, evidence) ? entry.evidence : evidence, last.changed);
  if (!fresh) evidence = merged(entry.evidence, std::move(evidence));
  entry = {std::move(evidence), now, last.pid, last.seen, last.queue, last.is_gone};
  if (entries_.size() > kMostPaths) forget_oldest();
}

/// Half of them, so that it is seldom done.
void EvidenceBook::forget_oldest() {
  std::vector<Clock::time_point> times;
  times.reserve(entries_.size());
  for (const auto& [path, entry] : entries_) times.push_back(entry.at);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  std::erase_if(entries_, [limit = *middle](const auto& one) { return one.second.at <= limit; });
}

void EvidenceBook::forget_below(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  names_changed_.erase(directory);
  const auto erase_below = [prefix = directory + "/"](auto& known) {
    const auto begin = known.lower_bound(prefix);
    auto end = begin;
    while (end != known.end() && end->first.starts_with(prefix)) ++end;
    known.erase(begin, end);
  };
  erase_below(names_changed_);
  directory == "." ? entries_.clear() : erase_below(entries_);
}

void EvidenceBook::forget() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  names_changed_.clear();
}

/// Where it was changed once more, and nobody was told of that, it is not known who was the last.
PathEvidence EvidenceBook::evidence_of(const Finding& finding, const Entry& entry) const {
  PathEvidence evidence = entry.evidence;
  const bool is_missing = finding.kind == DriftKind::missing;
  if (is_missing && !entry.is_gone) return {nullptr, evidence.at, true};
  if (is_missing && evidence.changed) {
    // Others may have come and gone beside it since, as was told.
    const auto told = names_changed_.find(parent_of(finding.path));
    if (told != names_changed_.end()) evidence.changed->latest = std::max(evidence.changed->latest, told->second);
  }
  const bool is_another = (is_missing || evidence.changed) && !is_of(evidence, finding);
  return is_another ? PathEvidence{nullptr, evidence.at, true} : evidence;
}

std::map<std::string, PathEvidence> EvidenceBook::take(const ScanResult& result, Clock::time_point began) {
  std::map<std::string, PathEvidence> taken;
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) return taken;
  for (const auto* findings : {&result.findings, &result.pending}) {
    for (const Finding& finding : *findings) {
      const auto at = entries_.find(finding.path);
      if (at != entries_.end()) taken.emplace(finding.path, evidence_of(finding, at->second));
    }
  }
  const auto is_unread = [&](const std::string& path) {
    return std::binary_search(result.unread.begin(), result.unread.end(), path);
  };
  std::erase_if(entries_, [&](auto& one) {
    const bool is_seen =
        one.second.at < began && !is_unread(one.first) && (result.scope.is_whole() || result.scope.covers(one.first));
    if (is_seen) taken.emplace(one.first, std::move(one.second.evidence));
    return is_seen;
  });
  return taken;
}

}  // namespace driftd::scanner
