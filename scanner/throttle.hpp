#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>

#include "scanner/scan_progress.hpp"

namespace driftd::scanner {

/// What scans may take of the disks; absent: unlimited.
struct ReadLimits {
  std::optional<std::uint64_t> bytes_per_second;  ///< of whole pages, as disks read them
  std::optional<std::uint64_t> reads_per_second;

  [[nodiscard]] bool any() const { return bytes_per_second || reads_per_second; }
  friend bool operator==(const ReadLimits&, const ReadLimits&) = default;
};

/// Holds any number of threads, of any number of scans, to common limits. They are served in the order in which they
/// come, one read each. An unused allowance does not pile up beyond a tenth of a second. Thread-safe.
class Throttle {
 public:
  explicit Throttle(const ReadLimits& limits) : limits_(limits) {}

  /// Before a read of so many bytes: sleeps until the limits allow it, or until `stop`. That is no standstill, so it
  /// counts as steps.
  void pay(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop);
  /// So many of them were not read.
  void give_back(std::uint64_t bytes);

  /// Other limits from now on. Whoever waits by those before goes on at once, with one read.
  void set_limits(const ReadLimits& limits);
  [[nodiscard]] bool is_limiting() const;

  /// How much to read at once, so that the limit holds in a short time as in a long one: what it allows in a
  /// twentieth of a second, or the fewer reads that it allows.
  [[nodiscard]] std::uint64_t most_at_once() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Budget {
    Clock::time_point paid_until{};  ///< when what was spent so far is paid for

    Clock::time_point spend(std::uint64_t amount, const std::optional<std::uint64_t>& per_second,
                            Clock::time_point now);
  };

  mutable std::mutex mutex_;
  std::condition_variable_any limits_change_;
  ReadLimits limits_;
  unsigned changes_ = 0;  ///< of the limits, so far
  Budget bytes_;
  Budget reads_;
};

}  // namespace driftd::scanner
