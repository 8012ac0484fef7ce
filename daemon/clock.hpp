#pragma once

#include <chrono>
#include <cstdint>

namespace driftd::daemon {

/// Seconds since 1970, UTC.
std::int64_t wall_clock();

/// CLOCK_BOOTTIME: never set, and counts time asleep. For intervals.
std::chrono::nanoseconds boot_clock();

/// Ten per cent more or less, at random, so that a fleet does not do things in step.
std::chrono::milliseconds with_jitter(std::chrono::seconds interval);

}  // namespace driftd::daemon
