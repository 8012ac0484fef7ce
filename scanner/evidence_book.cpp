#include "scanner/evidence_book.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace driftd::scanner {
namespace {

/// The same process touched it once more.
void go_on(PathEvidence& evidence, const Toucher& last) {
  const auto before = std::exchange(evidence.changed, std::nullopt);
  const bool is_same_file = std::exchange(evidence.file, last.file) == last.file;
  if (!last.changed) return;
  // A clock that was set back leaves nothing to compare with.
  const bool goes_on = before && is_same_file && before->first <= *last.changed;
  evidence.changed = PathEvidence::Changed{goes_on ? before->first : *last.changed, *last.changed};
}

}  // namespace

void EvidenceBook::note(const std::string& path, Toucher last, std::int64_t wall_clock, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (last.directory) note_directory(*last.directory);
  if (last.is_directory && last.changed) note_directory({path, last.file, *last.changed});
  const auto [at, fresh] = entries_.try_emplace(path);
  Entry& entry = at->second;
  entry.is_gone = last.is_gone;
  if (!last.process && last.pid == entry.pid && is_same_process(last.pid, entry.seen, last.seen)) {
    entry.evidence.at = wall_clock;
    go_on(entry.evidence, last);
    entry.at = now;
    return;
  }
  // Which of several was the last is not known then.
  if (!fresh && last.queue != 0 && last.queue == entry.queue && last.pid != entry.pid) last.forget_who();
  PathEvidence evidence{last.process, wall_clock};
  if (is_same_process(entry.evidence, evidence)) {
    evidence.file = entry.evidence.file;
    evidence.changed = entry.evidence.changed;
  }
  go_on(evidence, last);
  if (!fresh) evidence = merged(entry.evidence, std::move(evidence));
  entry = {std::move(evidence), now, last.pid, last.seen, last.queue, last.is_gone};
  if (entries_.size() > kMostPaths) forget_oldest();
}

void EvidenceBook::note_directory(const Toucher::Directory& directory) {
  if (directories_.size() >= kMostPaths) directories_.clear();
  const FileTime now = directory.changed;
  Told& told = directories_.try_emplace(directory.path, Told{directory.file, now, now}).first->second;
  // A clock that was set back leaves nothing to compare with.
  const bool goes_on = told.directory == directory.file && told.latest <= now;
  told = {directory.file, goes_on ? told.first : now, now};
}

/// Half of them, so that it is seldom done.
void EvidenceBook::forget_oldest() {
  std::vector<Clock::time_point> times;
  times.reserve(entries_.size());
  for (const auto& [path, entry] : entries_) times.push_back(entry.at);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  std::erase_if(entries_, [limit = *middle](const auto& one) { return one.second.at <= limit; });
  directories_.clear();
}

void EvidenceBook::forget_below(const std::string& directory) {
  if (directory == ".") return forget();
  const std::lock_guard lock(mutex_);
  directories_.erase(directory);
  const auto erase_below = [prefix = directory + "/"](auto& known) {
    const auto begin = known.lower_bound(prefix);
    auto end = begin;
    while (end != known.end() && end->first.starts_with(prefix)) ++end;
    known.erase(begin, end);
  };
  erase_below(directories_);
  erase_below(entries_);
}

void EvidenceBook::forget() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  directories_.clear();
}

void EvidenceBook::forget_directories() {
  const std::lock_guard lock(mutex_);
  directories_.clear();
}

EvidenceBook::Told* EvidenceBook::told_of(const Finding& finding) {
  const auto time = finding.file_time();
  const std::string_view path = finding.path;
  const auto at = directories_.find(finding.kind == DriftKind::missing ? parent_of(path) : path);
  if (at == directories_.end() || !time) return nullptr;
  Told& told = at->second;
  if (told.directory != finding.file || *time < told.first) return nullptr;
  // Whoever puts something into a directory that is not listed, it is still the one that was made.
  const bool is_unlisted = finding.kind == DriftKind::added || finding.kind == DriftKind::type;
  if (is_unlisted && finding.names_changed_last) told.latest = std::max(told.latest, *time);
  return *time <= told.latest ? &told : nullptr;
}

/// Where it was changed once more, and nobody was told of that, it is not known who was the last.
PathEvidence EvidenceBook::evidence_of(const Finding& finding, const Entry& entry) {
  PathEvidence evidence = entry.evidence;
  const bool is_missing = finding.kind == DriftKind::missing;
  if (is_missing != entry.is_gone) return {nullptr, evidence.at, true};
  // Others may have come and gone in the directory since, as was told.
  const Told* told = evidence.changed ? told_of(finding) : nullptr;
  if (told != nullptr && told->first <= evidence.changed->latest) evidence.changed->latest = told->latest;
  const bool is_another = evidence.last && !is_of(evidence, finding);
  return is_another ? PathEvidence{nullptr, evidence.at, true} : evidence;
}

void EvidenceBook::date(std::vector<Finding>& findings) {
  const std::lock_guard lock(mutex_);
  for (Finding& finding : findings) {
    if (const Told* told = told_of(finding)) finding.told_since = told->first;
  }
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
