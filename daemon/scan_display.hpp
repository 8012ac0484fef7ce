#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "manifests/manifest.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// Says on standard error how far a scan is, for as long as it lives, and then takes that back. A scan that is over in
/// half a second shows nothing.
class ScanDisplay {
 public:
  /// `progress` is what the scan is given. The totals are those of `scope`.
  ScanDisplay(const manifests::Manifest& manifest, const scanner::Scope& scope,
              std::shared_ptr<const scanner::ScanProgress> progress);
  ScanDisplay(const ScanDisplay&) = delete;
  ScanDisplay& operator=(const ScanDisplay&) = delete;
  ~ScanDisplay() = default;

 private:
  void draw_until(const std::stop_token& stop);

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::shared_ptr<const scanner::ScanProgress> progress_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;  ///< last: it uses all of the above
};

}  // namespace driftd::daemon
