#pragma once

#include <chrono>
#include <cstdint>

namespace driftd::scanner {

/// How far the kernel has come in giving numbers to new processes. It gives a free one again only after all others, in
/// their order, but to those who may choose (CAP_CHECKPOINT_RESTORE, which root has).
struct PidCursor {
  using Clock = std::chrono::steady_clock;

  std::int32_t latest = 0;  ///< as it stands at the end of /proc/loadavg; 0: unknown
  Clock::time_point at{};
};

/// Whether a number that a process had `then` is no other's `now`: so little time has passed that not all numbers can
/// have been given, and this one was not among those that were.
bool is_same_process(std::int32_t pid, const PidCursor& then, const PidCursor& now);

}  // namespace driftd::scanner
