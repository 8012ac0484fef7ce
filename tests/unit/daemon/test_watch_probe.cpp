#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include "daemon/watch_hub.hpp"
#include "daemon/watch_probe.hpp"
#include "daemon/workers.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::test::TempTree;
using namespace std::chrono_literals;

namespace {

/// A daemon that does nothing but test its watcher. Its clock moves on as it is told to.
class ProbeSite {
 public:
  explicit ProbeSite(WatchMode mode = WatchMode::automatic)
      : hub_(mode,
             [this](driftd::scanner::WatchBatch batch) {
               if (deaf_) return;
               boost::asio::post(io_, [this, batch = std::move(batch)] { probe_->on_batch(batch); });
             }),
        probe_(std::make_shared<WatchProbe>(workers_, hub_, state_.path(),
                                            WatchProbe::Owner{[this](std::string why) {
                                                                ++failed_;
                                                                hub_.lost(std::move(why));
                                                              },
                                                              [this] { ++recovered_; }})) {}
  ProbeSite(const ProbeSite&) = delete;
  ProbeSite& operator=(const ProbeSite&) = delete;
  ~ProbeSite() { CHECK(workers_.stop(60s)); }

  void tick(std::chrono::seconds later = 1s) {
    now_ += later;
    probe_->on_tick(now_);
  }

  /// A minute is no measure of speed, only an end for a test that fails.
  bool until(const std::function<bool()>& holds, std::chrono::seconds most = 60s) {
    const auto end = std::chrono::steady_clock::now() + most;
    while (!holds() && std::chrono::steady_clock::now() < end) {
      io_.restart();
      io_.run_for(5ms);
    }
    return holds();
  }
  /// Until the change has been made, or it is clear that it cannot be.
  void settle() {
    until([] { return false; }, 1s);
  }

  WatchHub& hub() { return hub_; }
  WatchProbe& probe() { return *probe_; }
  TempTree& state() { return state_; }
  [[nodiscard]] unsigned failed() const { return failed_; }
  [[nodiscard]] unsigned recovered() const { return recovered_; }
  void set_deaf(bool deaf) { deaf_ = deaf; }

  bool can_watch() { return hub_.cover(state_.path()).events != nullptr; }

 private:
  TempTree state_;
  boost::asio::io_context io_;
  Workers workers_{io_};
  std::atomic<bool> deaf_ = false;
  unsigned failed_ = 0;
  unsigned recovered_ = 0;
  WatchHub hub_;
  std::shared_ptr<WatchProbe> probe_;
  WatchProbe::Clock::time_point now_{std::chrono::hours(1)};
};

}  // namespace

TEST_CASE("a change of its own is told, again and again") {
  ProbeSite site;
  if (!site.can_watch()) return driftd::test::skip("the kernel grants no fanotify mark here");
  double latency = 0;
  for (int round = 0; round < 3; ++round) {
    site.tick(60s);
    REQUIRE(site.until([&] { return site.probe().results().latency != latency; }));
    latency = site.probe().results().latency;
    CHECK(latency > 0);
    CHECK(latency < 60);
  }
  for (int i = 0; i < 20; ++i) site.tick();
  CHECK(site.failed() == 0);
  CHECK(site.recovered() == 0);
  CHECK(site.probe().results().failures == 0);
}

TEST_CASE("a watcher that does not tell is given up, and taken back when it does") {
  ProbeSite site;
  if (!site.can_watch()) return driftd::test::skip("the kernel grants no fanotify mark here");
  site.set_deaf(true);
  site.tick();
  site.settle();
  for (int i = 0; i < 5; ++i) site.tick();
  CHECK(site.failed() == 0);
  site.tick();
  CHECK(site.failed() == 1);
  CHECK(site.probe().results().failures == 1);
  const Coverage lost = site.hub().cover(site.state().path());
  CHECK(lost.events == nullptr);
  CHECK(lost.refusal == "a change in " + site.state().at("watch-probe") + " was not told");

  SUBCASE("the one in its place has to prove itself first") {
    site.tick(60s);
    site.settle();
    CHECK(site.hub().cover(site.state().path()).events == nullptr);
    for (int i = 0; i < 6; ++i) site.tick();
    CHECK(site.failed() == 2);
  }
  site.set_deaf(false);
  site.tick(60s);
  REQUIRE(site.until([&] { return site.recovered() == 1; }));
  CHECK_FALSE(site.hub().still_holds(site.state().path(), lost));
  CHECK(site.hub().cover(site.state().path()).events != nullptr);
  CHECK(site.probe().results().latency > 0);
}

TEST_CASE("who polls tests nothing, and who cannot write nothing either") {
  SUBCASE("polling") {
    ProbeSite site(WatchMode::polling);
    for (int i = 0; i < 100; ++i) site.tick();
    site.settle();
    CHECK(site.failed() == 0);
    CHECK_FALSE(std::filesystem::exists(site.state().at("watch-probe")));
  }
  SUBCASE("no directory") {
    ProbeSite site;
    site.state().file("watch-probe", "in the way");
    for (int round = 0; round < 3; ++round) {
      site.tick(60s);
      site.settle();
      for (int i = 0; i < 10; ++i) site.tick();
    }
    CHECK(site.failed() == 0);
    if (site.can_watch()) CHECK(site.probe().results().omissions == 3);
  }
}
