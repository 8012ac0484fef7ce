#include "daemon/pending_notices.hpp"

namespace driftd::daemon {

void PendingNotices::opened(const std::string& path, Time since) {
  const Time due = since + delay_;
  if (known_.try_emplace(path, due).second) waiting_.emplace(due, path);
}

void PendingNotices::told(const std::string& path) {
  ended(path);
  known_.emplace(path, std::nullopt);
}

void PendingNotices::ended(const std::string& path) {
  const auto at = known_.find(path);
  if (at == known_.end()) return;
  if (at->second) waiting_.erase({*at->second, path});
  known_.erase(at);
}

std::vector<std::string> PendingNotices::due(Time now) const {
  std::vector<std::string> paths;
  for (auto at = waiting_.begin(); at != waiting_.end() && at->first <= now; ++at) paths.push_back(at->second);
  return paths;
}

std::optional<PendingNotices::Time> PendingNotices::next_after(Time now) const {
  // No path is empty, so this comes after all that is due at `now`.
  const auto at = waiting_.lower_bound({now + Time(1), std::string()});
  return at == waiting_.end() ? std::nullopt : std::optional(at->first);
}

bool PendingNotices::was_told(const std::string& path) const {
  const auto at = known_.find(path);
  return at != known_.end() && !at->second;
}

}  // namespace driftd::daemon
