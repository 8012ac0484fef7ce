#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>

#include "scanner/scan_progress.hpp"

namespace driftd::scanner {

/// What a scan may take of the disks; absent: unlimited.
struct ReadLimits {
  std::optional<std::uint64_t> bytes_per_second;
  std::optional<std::uint64_t> reads_per_second;

  [[nodiscard]] bool any() const { return bytes_per_second || reads_per_second; }
};

/// Holds any number of threads to common limits. An unused allowance does not pile up beyond a tenth of a second.
class Throttle {
 public:
  explicit Throttle(const ReadLimits& limits) : bytes_{limits.bytes_per_second}, reads_{limits.reads_per_second} {}

  /// Accounts for one read of so many bytes that was just made; sleeps as long as the limits want, or until `stop`.
  /// That is no standstill, so it counts as steps.
  void spend(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop);

  /// No limits any more, for those who wait already too.
  void lift();

 private:
  using Clock = std::chrono::steady_clock;

  struct Budget {
    std::optional<std::uint64_t> per_second;
    Clock::time_point paid_until{};  ///< when what was spent so far is paid for

    Clock::time_point spend(std::uint64_t amount, Clock::time_point now);
  };

  std::mutex mutex_;
  std::condition_variable_any lifted_changes_;
  Budget bytes_;
  Budget reads_;
  bool is_lifted_ = false;
};

}  // namespace driftd::scanner
