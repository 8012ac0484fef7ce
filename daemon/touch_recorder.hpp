#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/touch_store.hpp"
#include "daemon/workers.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// What a scan against the manifest with that identity says of the paths that were touched and left as they are listed.
Touches touches_in(const scanner::ScanResult& result, const manifests::minisign::Prehash& identity, std::int64_t now);

/// Has what was touched in one tree, and left as it is listed, recorded. A program that does so all the time costs one
/// write to the disk in each interval: the first touch is written at once, what follows with the next. After many at
/// once the interval is longer. What could not be written is kept for the next too, as far as TouchStore::kMost goes;
/// the looks that came last count. Lives on the io_context's thread.
class TouchRecorder : public std::enable_shared_from_this<TouchRecorder> {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kInterval = std::chrono::seconds(10);
  /// What a deploy does once all that differed is in place.
  static constexpr std::chrono::seconds kDeployTail{60};
  /// So many touches at once make the interval after them twice as long, and so on.
  static constexpr std::size_t kFew = 20;

  /// All outlive this object. `store` is touched in Workers::record only.
  TouchRecorder(boost::asio::io_context& io, Workers& workers, TouchStore& store, std::string tree,
                std::chrono::milliseconds interval = kInterval)
      : workers_(workers), store_(store), tree_(std::move(tree)), interval_(interval), timer_(io) {}

  /// What a look found. `nobody_known`: of those who ended drift, and are not among `touches`.
  void record(Touches touches, const scanner::DriftChanges& changes, const Touch& nobody_known);
  /// For so long a deploy touches everything, and nothing is recorded.
  void hush(std::chrono::seconds time) { hushed_until_ = Clock::now() + time; }
  /// Has what is left written.
  void stop();

 private:
  void write();
  void write_and_pause();
  void written(const manifests::Result<void>& done, Touches lost);
  void pause(std::size_t after);

  Workers& workers_;
  TouchStore& store_;
  const std::string tree_;
  const std::chrono::milliseconds interval_;
  boost::asio::steady_timer timer_;
  Clock::time_point hushed_until_{};
  Touches waiting_;
  bool is_stopped_ = false;
  bool is_paused_ = false;   ///< something was written a short time ago
  bool is_failing_ = false;  ///< which has been said
};

}  // namespace driftd::daemon
