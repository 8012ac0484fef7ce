#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "daemon/workers.hpp"
#include "scanner/event_sieve.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// Keeps from trees what happens outside of them. Trees that are reached by the same mount share a thread for that, as
/// they share its fate where it hangs; a tree that is alone on its mount takes what comes. Lives on the io_context's
/// thread.
class EventSieve {
 public:
  using Clock = WorkThread::Clock;
  using Batch = std::shared_ptr<const scanner::WatchBatch>;
  using Events = std::shared_ptr<const std::vector<scanner::WatchEvent>>;
  /// With those that may concern the tree. Null: they are lost, as too many wait.
  using Then = std::function<void(Events)>;

  EventSieve(boost::asio::io_context& io, Workers& workers) : io_(io), workers_(workers) {}
  EventSieve(const EventSieve&) = delete;
  EventSieve& operator=(const EventSieve&) = delete;
  ~EventSieve() = default;

  /// To be called for all trees before the io_context's thread does anything else.
  void put(const Batch& batch, scanner::WatchedTree tree, Then then);

  /// For how long nothing has come through to the trees of that mount.
  [[nodiscard]] Clock::duration standstill(const scanner::TreeRoot::Identity& root, Clock::time_point now) const;

  /// To be called regularly: lets go of threads that have had no work for long.
  void tidy(Clock::time_point now);

 private:
  /// By both its numbers.
  using Mount = std::pair<std::uint64_t, std::uint64_t>;
  struct Waiting {
    Batch batch;
    std::vector<scanner::WatchedTree> trees;
    std::vector<Then> thens;
  };
  struct Lane {
    std::shared_ptr<TreeThreads> threads;
    std::size_t waiting_events = 0;
    Clock::time_point used_at{};
  };

  static Mount mount_of(const scanner::TreeRoot::Identity& root) { return {root.mount, root.unique_mount}; }
  void hand_over();
  void begin(Mount mount, Waiting work);

  boost::asio::io_context& io_;
  Workers& workers_;
  std::map<Mount, Waiting> waiting_;  ///< of one batch
  std::map<Mount, Lane> lanes_;
};

}  // namespace driftd::daemon
