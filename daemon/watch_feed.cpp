#include "daemon/watch_feed.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace driftd::daemon {

void WatchFeed::put(scanner::WatchBatch batch) {
  const std::size_t weight = batch.events.size() + 1;
  if (batch.failure.empty() && waiting_events_ + weight > kMostWaitingEvents) return put_loss();
  waiting_events_ += weight;
  boost::asio::post(io_, [this, weight, shared = std::make_shared<const scanner::WatchBatch>(std::move(batch))] {
    on_batch_(shared);
    waiting_events_ -= weight;
  });
}

void WatchFeed::put_loss() {
  if (loss_waits_.exchange(true)) return;
  boost::asio::post(io_, [this] {
    // What is lost from here on wants another.
    loss_waits_ = false;
    auto loss = std::make_shared<scanner::WatchBatch>();
    loss->overflow = true;
    on_batch_(loss);
  });
}

}  // namespace driftd::daemon
