#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "scanner/scan_progress.hpp"

namespace driftd::scanner {

/// Holds any number of threads to a common rate of bytes a second. An unused allowance does not pile up beyond a
/// tenth of a second.
class Throttle {
 public:
  explicit Throttle(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  /// Accounts for bytes that were just read; sleeps as long as the rate wants, or until `stop`. That is no standstill,
  /// so it counts as steps.
  void spend(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop);

 private:
  using Clock = std::chrono::steady_clock;

  const std::uint64_t bytes_per_second_;
  std::mutex mutex_;
  Clock::time_point next_{};  ///< when what was spent so far is paid for
};

}  // namespace driftd::scanner
