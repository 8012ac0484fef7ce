#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace driftd::daemon {

/// What stands still for this long hangs.
inline constexpr std::chrono::seconds kHangs{30};

/// For how long something that counts its steps has taken none, as far as it was looked at. Time in which nobody
/// looked, since this process was stopped or had no processor, is no standstill of anybody else.
class Standstill {
 public:
  using Clock = std::chrono::steady_clock;
  /// Looks are at most this far apart.
  static constexpr std::chrono::seconds kBetweenLooks{2};

  /// A look: since when `steps` is what it is.
  Clock::duration look(std::uint64_t steps, Clock::time_point now) {
    if (!is_begun_ || steps != steps_) {
      is_begun_ = true;
      steps_ = steps;
      time_ = {};
    } else {
      time_ += std::min<Clock::duration>(now - looked_at_, kBetweenLooks);
    }
    looked_at_ = now;
    return time_;
  }

 private:
  bool is_begun_ = false;
  std::uint64_t steps_ = 0;
  Clock::time_point looked_at_{};
  Clock::duration time_{};
};

}  // namespace driftd::daemon
