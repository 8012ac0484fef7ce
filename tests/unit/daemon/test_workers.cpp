#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "daemon/patience.hpp"
#include "daemon/workers.hpp"

using namespace driftd::daemon;
using driftd::scanner::ScanProgress;
using namespace std::chrono_literals;

namespace {

/// Holds up whoever passes, until it is opened. To be made after the bench, which waits for those who pass.
class Gate {
 public:
  ~Gate() { open(); }
  void open() {
    if (!std::exchange(is_open_, true)) opened_.set_value();
  }
  std::function<bool()> passage() {
    return [passed = passed_, is_reached = is_reached_] {
      *is_reached = true;
      passed.wait();
      return true;
    };
  }
  /// Somebody stands before it, or has passed.
  [[nodiscard]] bool is_reached() const { return *is_reached_; }

 private:
  bool is_open_ = false;
  std::shared_ptr<std::atomic<bool>> is_reached_ = std::make_shared<std::atomic<bool>>(false);
  std::promise<void> opened_;
  std::shared_future<void> passed_ = opened_.get_future().share();
};

struct Bench {
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{io.get_executor()};
  Workers workers{io};
  std::vector<std::string> ended;

  /// A minute is an end for a test that fails, and no measure of speed.
  void run_until(const std::function<bool()>& done) {
    const auto end = Workers::Clock::now() + 60s;
    while (!done() && Workers::Clock::now() < end) io.run_one_for(10ms);
    REQUIRE(done());
  }
  void run_until_ended(std::size_t count) {
    run_until([&] { return ended.size() == count; });
  }
  template <class Work>
  void scan(const std::shared_ptr<TreeThreads>& tree, const std::string& name, Work work,
            ScanKind kind = ScanKind::urgent) {
    workers.scan(
        tree, kind, [work](const WorkContext&) { return work(); }, [this, name](bool) { ended.push_back(name); });
  }
  template <class Work>
  void look(const std::shared_ptr<TreeThreads>& tree, const std::string& name, Work work) {
    workers.look(
        *tree, [work](const WorkContext&) { return work(); }, [this, name](bool) { ended.push_back(name); });
  }
};

bool at_once() { return true; }

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what hangs in one tree holds up neither the other trees nor what is recorded") {
  Bench bench;
  Gate gate;
  const auto hanging = bench.workers.open_tree();
  const auto other = bench.workers.open_tree();
  bench.look(hanging, "hanging", gate.passage());
  bench.look(other, "other", at_once);
  bench.run_until_ended(1);
  bench.workers.record([](const WorkContext&) { return true; }, [&](bool) { bench.ended.push_back("recorded"); });
  bench.run_until_ended(2);
  CHECK(bench.ended == Lines{"other", "recorded"});
  gate.open();
  bench.run_until_ended(3);
  CHECK(bench.ended.back() == "hanging");
}

TEST_CASE("trees are scanned one at a time, in the order in which they asked") {
  Bench bench;
  Gate gate;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  const auto count = [&](const std::function<bool()>& work) {
    return [&, work] {
      most = std::max(most.load(), ++running);
      work();
      --running;
      return true;
    };
  };
  std::vector<std::shared_ptr<TreeThreads>> trees;
  for (int i = 0; i < 4; ++i) trees.push_back(bench.workers.open_tree());
  bench.scan(trees[0], "0", count(gate.passage()));
  for (std::size_t i = 1; i < trees.size(); ++i) bench.scan(trees[i], std::to_string(i), count(at_once));
  gate.open();
  bench.run_until_ended(4);
  CHECK(bench.ended == Lines{"0", "1", "2", "3"});
  CHECK(most == 1);
}

TEST_CASE("scans of one kind take turns, and wait for none of another kind") {
  Bench bench;
  Gate gate;
  std::vector<std::shared_ptr<TreeThreads>> trees;
  for (int i = 0; i < 6; ++i) trees.push_back(bench.workers.open_tree());
  bench.scan(trees[0], "full", gate.passage(), ScanKind::limited_full);
  bench.scan(trees[1], "full too", at_once, ScanKind::limited_full);
  bench.scan(trees[2], "quick", gate.passage(), ScanKind::limited_quick);
  bench.scan(trees[3], "quick too", at_once, ScanKind::limited_quick);
  bench.scan(trees[4], "urgent", at_once);
  bench.scan(trees[5], "urgent too", at_once);
  bench.run_until_ended(2);
  bench.io.run_for(50ms);
  CHECK(bench.ended == Lines{"urgent", "urgent too"});
  gate.open();
  bench.run_until_ended(6);
  const auto place = [&](const char* name) { return std::find(bench.ended.begin(), bench.ended.end(), name); };
  CHECK(place("full") < place("full too"));
  CHECK(place("quick") < place("quick too"));
}

TEST_CASE("a limited scan that takes long lets others begin, but not all of them") {
  Bench bench;
  Gate gate;
  std::vector<std::shared_ptr<TreeThreads>> trees;
  for (int i = 0; i < 8; ++i) trees.push_back(bench.workers.open_tree());
  std::atomic<int> running{0};
  const auto count = [&, pass = gate.passage()] { return ++running, pass(); };
  for (int i = 0; i < 7; ++i) bench.scan(trees[static_cast<std::size_t>(i)], "long", count, ScanKind::limited_full);
  const auto start = Workers::Clock::now();
  bench.workers.hand_on_turn(start + 1s);
  bench.run_until([&] { return running == 1; });
  for (int minutes = 1; minutes < 5; ++minutes) bench.workers.hand_on_turn(start + minutes * 100s);
  bench.run_until([&] { return running == static_cast<int>(Workers::kMostLimited); });
  bench.io.run_for(50ms);
  CHECK(running == static_cast<int>(Workers::kMostLimited));
  bench.workers.close_tree(trees[0]);
  bench.workers.hand_on_turn(start + 1000s);
  bench.run_until([&] { return running == static_cast<int>(Workers::kMostLimited) + 1; });
  bench.workers.close_tree(trees[6]);
  gate.open();
  bench.run_until_ended(6);
}

TEST_CASE("a limited full scan keeps no other of its own tree waiting, and its thread goes with it") {
  Bench bench;
  Gate gate;
  const auto tree = bench.workers.open_tree();
  bench.scan(tree, "full", gate.passage(), ScanKind::limited_full);
  bench.scan(tree, "quick", at_once, ScanKind::limited_quick);
  bench.scan(tree, "urgent", at_once);
  bench.run_until_ended(2);
  CHECK(tree->long_scans.has_value());
  bench.run_until([&] { return gate.is_reached(); });
  // It stands still, and that shows.
  const auto start = Workers::Clock::now();
  for (auto at = start; at <= start + 5s; at += 1s) (void)tree->standstill(at);
  CHECK(tree->standstill(start + 6s) == 6s);
  gate.open();
  bench.run_until_ended(3);
  bench.run_until([&] {
    bench.workers.hand_on_turn(Workers::Clock::now());
    return !tree->long_scans;
  });
  bench.scan(tree, "again", at_once, ScanKind::limited_full);
  bench.run_until_ended(4);
}

TEST_CASE("a scan that stands still loses its turn, one that comes further keeps it") {
  Bench bench;
  Gate gate;
  const auto first = bench.workers.open_tree();
  const auto second = bench.workers.open_tree();
  std::promise<std::shared_ptr<ScanProgress>> begun;
  bench.workers.scan(
      first, ScanKind::urgent,
      [&begun, pass = gate.passage()](const WorkContext& context) {
        begun.set_value(context.progress);
        return pass();
      },
      [&](bool) { bench.ended.push_back("first"); });
  bench.scan(second, "second", at_once);
  auto& place = begun.get_future().get()->add_place();

  const auto start = Workers::Clock::now();
  for (auto at = start; at < start + 10s; at += 1s) {
    ScanProgress::Place::count(place.steps);
    bench.workers.hand_on_turn(at);
  }
  bench.io.poll();
  CHECK(bench.ended.empty());
  bench.workers.hand_on_turn(start + 11s);
  CHECK(first->standstill(start + 11s) == 2s);
  bench.workers.hand_on_turn(start + 12s);
  bench.run_until_ended(1);
  CHECK(bench.ended == Lines{"second"});
  gate.open();
  bench.run_until_ended(2);
  CHECK(bench.ended == Lines{"second", "first"});
  bench.run_until([&] { return first->scans.is_idle(); });
  CHECK(first->standstill(start + 100s) == 0s);
}

TEST_CASE("a standstill is of the work that is under way, and no work stands still by waiting its turn") {
  Bench bench;
  const auto tree = bench.workers.open_tree();
  const auto start = Workers::Clock::now();
  CHECK(tree->standstill(start) == 0s);
  CHECK(tree->standstill(start + 1s) == 0s);
  for (int i = 0; i < 3; ++i) {
    Gate gate;
    std::promise<void> begun;
    bench.look(tree, "look", [&begun, pass = gate.passage()] {
      begun.set_value();
      return pass();
    });
    begun.get_future().wait();
    const auto begun_at = start + 100s * i;
    for (auto passed = 0s; passed <= 40s; passed += 1s) CHECK(tree->standstill(begun_at + passed) == passed);
    // Nobody looked for a long time: this process stood still itself.
    CHECK(tree->standstill(begun_at + 90s) == 42s);
    gate.open();
    bench.run_until_ended(static_cast<std::size_t>(i) + 1);
  }
}

TEST_CASE("a scan that need not wait for others is not waited for either") {
  Bench bench;
  Gate gate;
  const auto remote = bench.workers.open_tree();
  const auto first = bench.workers.open_tree();
  const auto second = bench.workers.open_tree();
  bench.workers.scan_at_once(
      *remote, ScanKind::urgent, [pass = gate.passage()](const WorkContext&) { return pass(); },
      [&](bool) { bench.ended.push_back("remote"); });
  bench.scan(first, "first", at_once);
  bench.scan(second, "second", at_once);
  bench.run_until_ended(2);
  CHECK(bench.ended == Lines{"first", "second"});
  gate.open();
  bench.run_until_ended(3);
}

TEST_CASE("a tree that is given up takes its scans along, and the turn goes on") {
  Bench bench;
  Gate gate;
  const auto gone = bench.workers.open_tree();
  const auto other = bench.workers.open_tree();
  std::promise<void> begun;
  bench.scan(gone, "gone", [&begun, pass = gate.passage()] {
    begun.set_value();
    return pass();
  });
  bench.scan(gone, "never", at_once);
  bench.scan(other, "other", at_once);
  begun.get_future().wait();
  bench.workers.close_tree(gone);
  bench.run_until_ended(1);
  CHECK(bench.ended == Lines{"other"});
  gate.open();
  bench.scan(other, "again", at_once);
  bench.run_until([&] { return bench.ended.size() >= 3; });
  CHECK(std::find(bench.ended.begin(), bench.ended.end(), "never") == bench.ended.end());
}

TEST_CASE("stopping tells work to stop, ends what is to be recorded and waits for both") {
  Bench bench;
  const auto tree = bench.workers.open_tree();
  std::promise<void> begun;
  bench.workers.scan(
      tree, ScanKind::urgent,
      [&begun](const WorkContext& context) {
        begun.set_value();
        while (!context.stop.stop_requested()) std::this_thread::sleep_for(1ms);
        return true;
      },
      [](bool) {});
  std::atomic<int> recorded{0};
  for (int i = 0; i < 20; ++i) {
    bench.workers.record(
        [&](const WorkContext&) {
          std::this_thread::sleep_for(2ms);
          return ++recorded > 0;
        },
        [](bool) {});
  }
  begun.get_future().wait();
  CHECK(bench.workers.stop(60s));
  CHECK(recorded == 20);
}

TEST_CASE("stopping does not wait for ever for what hangs") {
  Bench bench;
  Gate gate;
  const auto tree = bench.workers.open_tree();
  std::promise<void> begun;
  bench.look(tree, "hangs", [&begun, pass = gate.passage()] {
    begun.set_value();
    return pass();
  });
  begun.get_future().wait();
  CHECK_FALSE(bench.workers.stop(20ms));
  gate.open();
  CHECK(bench.workers.stop(60s));
}

TEST_CASE("patience lasts for as long as there are steps") {
  const auto work = [](std::chrono::milliseconds between, int steps) {
    return [=](const std::shared_ptr<ScanProgress>& progress) {
      auto& place = progress->add_place();
      for (int i = 0; i < steps; ++i) {
        std::this_thread::sleep_for(between);
        ScanProgress::Place::count(place.steps);
      }
      return steps;
    };
  };
  CHECK(do_with_patience(work(0ms, 0), 1s) == 0);
  CHECK(do_with_patience(work(100ms, 25), 2s) == 25);
  Gate gate;
  const auto hangs = [pass = gate.passage()](const auto&) { return pass(); };
  CHECK_FALSE(do_with_patience(hangs, 50ms).has_value());
  const auto throws = [](const auto&) -> int { throw std::runtime_error("no memory"); };
  CHECK_THROWS_WITH(do_with_patience(throws, 1s), "no memory");
}
