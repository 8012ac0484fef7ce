#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace driftd::daemon {

/// Of which drift somebody has to be told, and when: once, and only of what stays for a while. Neither clock nor
/// threads; times are CLOCK_BOOTTIME.
class PendingNotices {
 public:
  using Time = std::chrono::nanoseconds;

  explicit PendingNotices(std::chrono::seconds delay) : delay_(delay) {}

  /// There is drift at `path` since `since`. No change where that is known already.
  void opened(const std::string& path, Time since);
  /// Somebody has been told, now or by an earlier process.
  void told(const std::string& path);
  void ended(const std::string& path);

  /// Of which somebody has to be told, the oldest first. They stay due until they are told() or ended().
  [[nodiscard]] std::vector<std::string> due(Time now) const;
  /// When more will be due than at `now`.
  [[nodiscard]] std::optional<Time> next_after(Time now) const;
  [[nodiscard]] bool was_told(const std::string& path) const;

 private:
  std::chrono::seconds delay_;
  std::map<std::string, std::optional<Time>> known_;  ///< when it is due; absent: told
  std::set<std::pair<Time, std::string>> waiting_;
};

}  // namespace driftd::daemon
