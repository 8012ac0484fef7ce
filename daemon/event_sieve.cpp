#include "daemon/event_sieve.hpp"

#include <boost/asio/post.hpp>

namespace driftd::daemon {
namespace {

constexpr std::size_t kMostWaitingEvents = 100'000;
constexpr auto kLongestIdle = std::chrono::minutes(1);

}  // namespace

void EventSieve::put(const Batch& batch, scanner::WatchedTree tree, Then then) {
  if (waiting_.empty()) boost::asio::post(io_, [this] { hand_over(); });
  Waiting& waiting = waiting_[mount_of(tree.root)];
  if (waiting.batch && waiting.batch != batch) {
    // Another came before the first was handed over.
    begin(mount_of(tree.root), std::exchange(waiting, {}));
  }
  waiting.batch = batch;
  waiting.trees.push_back(std::move(tree));
  waiting.thens.push_back(std::move(then));
}

void EventSieve::hand_over() {
  for (auto& [mount, work] : std::exchange(waiting_, {})) begin(mount, std::move(work));
}

void EventSieve::begin(Mount mount, Waiting work) {
  const std::size_t count = work.batch->events.size();
  if (work.trees.size() == 1) return work.thens.front()(Events(work.batch, &work.batch->events));
  Lane& lane = lanes_[mount];
  if (lane.waiting_events + count > kMostWaitingEvents) {
    for (const Then& then : work.thens) then(nullptr);
    return;
  }
  if (!lane.threads) lane.threads = workers_.open_tree();
  lane.waiting_events += count;
  workers_.look(
      *lane.threads,
      [batch = work.batch, trees = std::move(work.trees)](const WorkContext&) {
        return scanner::sieve(batch->events, trees);
      },
      [this, mount, count, thens = std::move(work.thens)](std::vector<std::vector<scanner::WatchEvent>> theirs) {
        Lane& done = lanes_[mount];
        done.waiting_events -= count;
        done.used_at = Clock::now();
        for (std::size_t tree = 0; tree < thens.size(); ++tree) {
          thens[tree](std::make_shared<const std::vector<scanner::WatchEvent>>(std::move(theirs[tree])));
        }
      });
}

EventSieve::Clock::duration EventSieve::standstill(const scanner::TreeRoot::Identity& root,
                                                   Clock::time_point now) const {
  const auto lane = lanes_.find(mount_of(root));
  return lane != lanes_.end() && lane->second.threads ? lane->second.threads->looks.standstill(now) : Clock::duration{};
}

void EventSieve::tidy(Clock::time_point now) {
  std::erase_if(lanes_, [&](const auto& one) {
    const Lane& lane = one.second;
    if (lane.waiting_events != 0 || now - lane.used_at < kLongestIdle) return false;
    if (lane.threads) workers_.close_tree(lane.threads);
    return true;
  });
}

}  // namespace driftd::daemon
