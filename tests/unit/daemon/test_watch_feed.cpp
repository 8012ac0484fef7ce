#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include "daemon/watch_feed.hpp"

using namespace driftd::daemon;
using driftd::scanner::WatchBatch;

namespace {

/// What came, one word a batch: how many events, `lost` or `ended`.
struct Fed {
  boost::asio::io_context io;
  std::vector<std::string> came;
  WatchFeed feed{io, [this](const std::shared_ptr<const WatchBatch>& batch) {
                   const std::string other = batch->overflow ? "lost" : std::to_string(batch->events.size());
                   came.push_back(batch->failure.empty() ? other : "ended");
                 }};

  void put(std::size_t events) {
    WatchBatch batch;
    batch.events.resize(events);
    feed.put(std::move(batch));
  }
};

}  // namespace

TEST_CASE("batches come in their order") {
  Fed fed;
  for (const std::size_t events : {1U, 2U, 3U}) fed.put(events);
  fed.io.run();
  CHECK((fed.came == std::vector<std::string>{"1", "2", "3"}));
}

TEST_CASE("what cannot be kept up with is told as lost, once, and what comes later is not lost") {
  Fed fed;
  for (int i = 0; i < 5; ++i) fed.put(WatchFeed::kMostWaitingEvents / 2 - 1);
  fed.io.run();
  const std::string half = std::to_string(WatchFeed::kMostWaitingEvents / 2 - 1);
  CHECK((fed.came == std::vector<std::string>{half, half, "lost"}));
  fed.came.clear();
  fed.io.restart();
  fed.put(7);
  fed.io.run();
  CHECK(fed.came == std::vector<std::string>{"7"});
}

TEST_CASE("a batch that is too large by itself is told as lost, and so is the next one") {
  Fed fed;
  for (int i = 0; i < 2; ++i) {
    fed.put(WatchFeed::kMostWaitingEvents);
    fed.io.run();
    fed.io.restart();
  }
  CHECK((fed.came == std::vector<std::string>{"lost", "lost"}));
}

TEST_CASE("what is lost while a loss is told is told again") {
  Fed fed;
  fed.put(WatchFeed::kMostWaitingEvents);
  boost::asio::post(fed.io, [&] { fed.put(WatchFeed::kMostWaitingEvents); });
  fed.io.run();
  CHECK((fed.came == std::vector<std::string>{"lost", "lost"}));
}

TEST_CASE("the end of a watcher is never lost") {
  Fed fed;
  for (int i = 0; i < 3; ++i) fed.put(WatchFeed::kMostWaitingEvents / 2 - 1);
  WatchBatch end;
  end.failure = "reading events failed";
  fed.feed.put(std::move(end));
  fed.io.run();
  CHECK(fed.came.back() == "ended");
}
