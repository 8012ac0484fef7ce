#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scanner/drift_set.hpp"

namespace driftd::daemon {

/// Of which drift somebody has to be told, and when: once, and only of what stays for a while. What is known of each is
/// in its OpenDrift::notice, and so comes and goes with it. Neither clock nor threads; times are CLOCK_BOOTTIME.
class PendingNotices {
 public:
  using Time = std::chrono::nanoseconds;

  explicit PendingNotices(std::chrono::seconds delay) : delay_(delay) {}

  /// This drift is there since `since`, or was recalled. No change where that is known already, or somebody was told.
  void opened(const scanner::OpenDrift& drift, Time since);

  /// Of all that is `open`, that of which somebody has to be told now, the oldest first. Each is given once. What is
  /// outdated is left until it has been looked at.
  [[nodiscard]] std::vector<const scanner::OpenDrift*> take_due(const std::map<std::string, scanner::OpenDrift>& open,
                                                                Time now);
  /// After take_due(): when more will be due, at the earliest.
  [[nodiscard]] std::optional<Time> next() const { return next_; }

 private:
  void await(Time due);

  std::chrono::seconds delay_;
  std::optional<Time> next_;  ///< nothing else becomes due before
  bool left_ = false;         ///< some is due and outdated
};

}  // namespace driftd::daemon
