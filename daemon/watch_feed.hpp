#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// Brings what watchers tell to the io_context's thread, in its order. What that cannot keep up with is lost, and told
/// as an overflow, so that it goes on with all else. To be destroyed after the watchers, and the io_context with it.
class WatchFeed {
 public:
  /// On the io_context's thread.
  using OnBatch = std::function<void(const std::shared_ptr<const scanner::WatchBatch>&)>;

  /// Not batches: of few events each these wait in numbers whenever the thread is held up for a moment.
  static constexpr std::size_t kMostWaitingEvents = 50'000;

  WatchFeed(boost::asio::io_context& io, OnBatch on_batch) : io_(io), on_batch_(std::move(on_batch)) {}

  /// From any thread. The end of a watcher is never lost.
  void put(scanner::WatchBatch batch);

 private:
  void put_loss();

  boost::asio::io_context& io_;
  const OnBatch on_batch_;
  std::atomic<std::size_t> waiting_events_{0};
  std::atomic<bool> loss_waits_{false};  ///< one tells of all before it
};

}  // namespace driftd::daemon
