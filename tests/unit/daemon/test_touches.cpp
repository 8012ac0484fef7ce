#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include "daemon/touch_recorder.hpp"
#include "daemon/touch_store.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::scanner::DriftChanges;
using driftd::scanner::Evidence;
using driftd::scanner::OpenDrift;
using driftd::scanner::PathEvidence;
using driftd::test::must;
using driftd::test::TempTree;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kNow = 1'763'720'000;

PathEvidence by(const std::string& name) {
  Evidence who;
  who.name = name;
  who.pid = static_cast<std::int32_t>(name.size());
  return {std::make_shared<const Evidence>(who), kNow - 5, false};
}

constexpr driftd::manifests::minisign::Prehash kIdentity{7};

Touches touched(const std::string& path, std::int64_t at, PathEvidence evidence = {}) {
  return {{path, {at, kIdentity, std::move(evidence)}}};
}

Touches touched_many(std::size_t count, std::int64_t at) {
  Touches many;
  for (std::size_t i = 0; i < count; ++i) many.merge(touched("p" + std::to_string(i), at));
  return many;
}

/// One run of the daemon, as far as one tree's touches are concerned.
class Run {
 public:
  Run(const TempTree& home, std::chrono::milliseconds interval)
      : state_(StateStore::open(home.at("state"))),
        store_(state_),
        recorder_(std::make_shared<TouchRecorder>(io_, workers_, store_, "app", interval)) {}
  ~Run() {
    recorder_->stop();
    REQUIRE(workers_.stop(60s));
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void record(Touches touches, const DriftChanges& changes = {}) {
    recorder_->record(std::move(touches), changes, {kNow + 7, kIdentity, {}});
  }

  /// Until what was handed over for writing has been written, or not.
  void settle() {
    bool done = false;
    workers_.record([](const WorkContext&) { return true; }, [&](bool) { done = true; });
    while (!done) REQUIRE(io_.run_one_for(20s) > 0);
  }
  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) {
      io_.run_one_for(1ms);
      settle();
    }
  }

  TouchRecorder& recorder() { return *recorder_; }
  /// Where all else happens to the store: another thread would see what has not been committed yet.
  std::optional<Touch> read(const std::string& path) {
    std::optional<Touch> touch;
    bool done = false;
    workers_.record([&](const WorkContext&) { return store_.read("app", path); },
                    [&](driftd::manifests::Result<std::optional<Touch>> known) {
                      touch = must(std::move(known));
                      done = true;
                    });
    while (!done) REQUIRE(io_.run_one_for(20s) > 0);
    return touch;
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  StateStore state_;
  TouchStore store_;
  Workers workers_{io_};
  std::shared_ptr<TouchRecorder> recorder_;
};

}  // namespace

TEST_CASE("the last touch of a path is kept, with who it was") {
  TempTree home;
  const std::string odd("bad\xff\n\0name", 10);
  {
    StateStore state = StateStore::open(home.at("state"));
    TouchStore store(state);
    CHECK_FALSE(must(store.read("app", odd)));
    must(store.write("app", touched(odd, kNow, by("vim"))));
    must(store.write("other", touched(odd, kNow + 1)));
  }
  StateStore state = StateStore::open(home.at("state"));
  TouchStore store(state);
  auto touch = must(store.read("app", odd));
  REQUIRE(touch);
  CHECK(touch->at == kNow);
  CHECK(touch->identity == kIdentity);
  REQUIRE(touch->evidence.last);
  CHECK(touch->evidence.last->name == "vim");

  must(store.write("app", touched(odd, kNow + 9, by("nano"))));
  touch = must(store.read("app", odd));
  REQUIRE(touch);
  CHECK(touch->at == kNow + 9);
  REQUIRE(touch->evidence.last);
  CHECK(touch->evidence.last->name == "nano");
  CHECK_FALSE(touch->evidence.several);
  CHECK_FALSE(must(store.read("other", odd))->evidence.last);
  CHECK_FALSE(must(store.read("app", "bad")));
}

TEST_CASE(
    "the touches of a tree that were written last are kept, whatever the clock said, and those that are not old") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  TouchStore store(state);
  must(store.write("app", touched("first", kNow + 9999)));
  must(store.write("app", touched_many(TouchStore::kMost - 1, kNow + 9999)));
  must(store.write("other", touched("p0", kNow)));
  CHECK(must(store.read("app", "first")));
  must(store.write("app", touched("new", kNow)));
  CHECK_FALSE(must(store.read("app", "first")));
  CHECK(must(store.read("app", "p0")));
  CHECK(must(store.read("app", "new")));
  CHECK(must(store.read("other", "p0")));
  must(store.drop_older(kNow + 1));
  CHECK_FALSE(must(store.read("app", "new")));
  CHECK_FALSE(must(store.read("other", "p0")));
  CHECK(must(store.read("app", "p0")));
}

TEST_CASE("the first touch is recorded at once, those that follow with the next interval") {
  TempTree home;
  Run run(home, 50ms);
  run.record(touched("a", kNow));
  run.settle();
  CHECK(run.read("a"));
  run.record(touched("a", kNow + 1));
  run.record(touched("b", kNow + 1));
  run.record(touched("a", kNow + 2));
  run.run_until([&] { return run.read("b").has_value(); });
  CHECK(run.read("a")->at == kNow + 2);
}

TEST_CASE("what waits to be recorded is when the daemon ends, and of too many the last") {
  TempTree home;
  {
    Run run(home, 1h);
    run.record(touched("a", kNow));
    run.record(touched("b", kNow));
    run.record(touched_many(TouchStore::kMost + 10, kNow));
    run.record(touched("c", kNow + 1));
  }
  Run run(home, 1h);
  CHECK(run.read("c"));
}

TEST_CASE("who put a path right has touched it, known or not, and then it was no other") {
  TempTree home;
  Run run(home, 5ms);
  run.record(touched("unknown", kNow, by("vim")));
  DriftChanges changes;
  for (const char* path : {"known", "unknown"}) changes.resolved[path].finding.path = path;
  changes.resolved["gone"].finding.kind = driftd::scanner::DriftKind::added;
  run.record(touched("known", kNow + 7, by("nano")), changes);
  run.run_until([&] { return run.read("known").has_value(); });
  CHECK(run.read("known")->evidence.last->name == "nano");
  CHECK(run.read("unknown")->at == kNow + 7);
  CHECK_FALSE(run.read("unknown")->evidence.last);
  CHECK_FALSE(run.read("gone"));
}

TEST_CASE("what a deploy touches is not recorded") {
  TempTree home;
  Run run(home, 1h);
  run.recorder().hush(1h);
  run.record(touched("a", kNow));
  run.settle();
  CHECK_FALSE(run.read("a"));
  run.recorder().hush(0s);
  run.record(touched("a", kNow));
  run.settle();
  CHECK(run.read("a"));
}

TEST_CASE("what could not be written is written later") {
  TempTree home;
  Run run(home, 5ms);
  auto other = must(sqlite::Database::open(home.at("state") + "/state.db", sqlite::Access::write));
  must(other.execute("BEGIN IMMEDIATE"));
  run.record(touched("a", kNow));
  run.record(touched("b", kNow));
  run.settle();
  run.record(touched("a", kNow + 3));
  must(other.execute("COMMIT"));
  run.run_until(
      [&] { return run.read("b").has_value() && run.read("a").has_value() && run.read("a")->at == kNow + 3; });
}

TEST_CASE("who touched what, as a scan tells it") {
  driftd::scanner::ScanResult result;
  result.touched = {"a"};
  result.evidence.emplace("a", by("vim"));
  result.evidence.emplace("c", by("nano"));
  const Touches touches = touches_in(result, kIdentity, kNow);
  REQUIRE(touches.size() == 1);
  CHECK(touches.at("a").evidence.last->name == "vim");
  CHECK(touches.at("a").at == kNow - 5);
  CHECK(touches.at("a").identity == kIdentity);
}
