#pragma once

#include <chrono>
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
/// write to the disk in each interval: the first touch is written at once, what follows with the next. What could not
/// be written is kept for that too, as far as TouchStore::kMost goes; what came last counts. Lives on the io_context's
/// thread.
class TouchRecorder : public std::enable_shared_from_this<TouchRecorder> {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kInterval = std::chrono::seconds(10);

  /// All outlive this object. `store` is touched in Workers::record only.
  TouchRecorder(boost::asio::io_context& io, Workers& workers, TouchStore& store, std::string tree,
                std::chrono::milliseconds interval = kInterval)
      : workers_(workers), store_(store), tree_(std::move(tree)), interval_(interval), timer_(io) {}

  /// Touches that ended drift are in the history already.
  void record(Touches touches, const scanner::DriftChanges& changes);
  /// For so long everything is touched, by a deploy, and nothing is recorded.
  void hush(std::chrono::seconds time) { hushed_until_ = Clock::now() + time; }
  /// Has what is left written.
  void stop();

 private:
  void write();
  void written(const manifests::Result<void>& done, Touches lost);
  void pause();

  Workers& workers_;
  TouchStore& store_;
  const std::string tree_;
  const std::chrono::milliseconds interval_;
  boost::asio::steady_timer timer_;
  Clock::time_point hushed_until_{};
  Touches waiting_;
  bool is_stopped_ = false;
  bool is_paused_ = false;   ///< something was written less than an interval ago
  bool is_failing_ = false;  ///< which has been said
};

}  // namespace driftd::daemon
