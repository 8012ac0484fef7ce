#include <chrono>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/drift_recorder.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/people.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::manifests::RelPath;
using driftd::scanner::DriftChanges;
using driftd::scanner::Finding;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::scanner::UnverifiedReason;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::make_release;
using driftd::test::must;
using driftd::test::TempTree;
using namespace std::chrono_literals;

namespace {

/// What is logged while it lives, as `LEVEL TEXT` lines.
class Log {
 public:
  Log() : before_(spdlog::default_logger()) {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~Log() { spdlog::set_default_logger(before_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] std::size_t count(const std::string& what) const {
    const std::string text = text_.str();
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
  }
  [[nodiscard]] bool has(const std::string& what) const { return count(what) > 0; }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

ManifestPointer release(std::uint64_t sequence) {
  return make_release({{"file", file_entry("content " + std::to_string(sequence))}, {"same", file_entry("x")}},
                      header_of("v" + std::to_string(sequence), sequence));
}

/// One run of the daemon, as far as one tree's drift is concerned.
class Run {
 public:
  Run(const TempTree& home, std::chrono::seconds notify_after)
      : state_(StateStore::open(home.at("state"))), history_(state_), tree_(config(notify_after)) {
    recorder_ = std::make_shared<DriftRecorder>(io_, workers_, history_, tree_, 1ms);
    recorder_->start();
    settle();
  }
  ~Run() {
    recorder_->stop();
    REQUIRE(workers_.stop(60s));
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void take(std::uint64_t sequence, std::uint64_t previous = 0) {
    Standing standing;
    standing.manifest = release(sequence);
    if (previous != 0) {
      standing.previous = release(previous);
      standing.transition = Transition{standing.previous->identity(), wall_clock()};
    }
    tree_.take(standing, wall_clock(), boot_clock());
  }

  /// A scan of everything finds these paths to be drift.
  void scan(const std::vector<std::string>& paths, const std::vector<std::string>& unverified = {}) {
    end_scan(paths, unverified);
    settle();
  }
  /// No timer has had its turn afterwards.
  void end_scan(const std::vector<std::string>& paths, const std::vector<std::string>& unverified = {}) {
    ScanResult result;
    result.scope = Scope::whole();
    for (const std::string& path : paths) {
      Finding finding;
      finding.path = path;
      result.findings.push_back(finding);
    }
    for (const std::string& path : unverified) result.unverified.push_back({path, UnverifiedReason::io, 0, 0});
    tree_.scan_started();
    recorder_->record(tree_.full_scan_done(result, wall_clock(), boot_clock(), 1s));
  }

  /// Everything that was handed to the workers has been done, and has been answered.
  void settle() {
    bool done = false;
    workers_.record([](const WorkContext&) { return true; }, [&](bool) { done = true; });
    run_until([&] { return done; });
  }

  /// What was to happen in that time from before this call on has happened.
  void pass(std::chrono::milliseconds time) {
    bool done = false;
    boost::asio::steady_timer timer(io_, time + 1ms);
    timer.async_wait([&](boost::system::error_code) { done = true; });
    run_until([&] { return done; });
    settle();
  }

  template <class Condition>
  void run_until(Condition condition) {
    while (!condition()) REQUIRE(io_.run_one_for(20s) > 0);
  }

  std::vector<DriftRecord> records() { return must(history_.latest("app", 100)).records; }
  TreeState& tree() { return tree_; }

 private:
  static TreeConfig config(std::chrono::seconds notify_after) {
    TreeConfig made;
    made.name = "app";
    made.notify_after = notify_after;
    return made;
  }

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  StateStore state_;
  HistoryStore history_;
  TreeState tree_;
  Workers workers_{io_};
  std::shared_ptr<DriftRecorder> recorder_;
};

}  // namespace

TEST_CASE("drift that does not stay is nothing to be warned of") {
  TempTree home;
  Log log;
  Run run(home, 1h);
  run.take(1);
  run.scan({"file"});
  CHECK(log.has("info app: drift seen: modified file"));
  run.scan({});
  CHECK(log.has("info app: drift resolved: modified file"));
  CHECK_FALSE(log.has("warning"));
  REQUIRE(run.records().size() == 1);
  CHECK_FALSE(run.records()[0].notified_at);
  CHECK(run.records()[0].ending == Ending::resolved);
}

TEST_CASE("where nothing drifts, nothing is written") {
  TempTree home;
  Run run(home, 0s);
  const std::string before = driftd::test::read_whole(home.at("state/state.db"));
  run.take(1);
  run.scan({});
  run.take(2, 1);
  run.scan({});
  CHECK((driftd::test::read_whole(home.at("state/state.db")) == before));
  CHECK(run.records().empty());
}

TEST_CASE("drift that stays is warned of once, also across restarts") {
  TempTree home;
  std::int64_t first_seen = 0;
  {
    Log log;
    Run run(home, 1s);
    run.take(1);
    run.scan({"file"});
    run.run_until([&] { return log.has("warning app: drift opened: modified file"); });
    run.settle();
    REQUIRE(run.records().size() == 1);
    REQUIRE(run.records()[0].notified_at);
    first_seen = run.records()[0].opened_at;
  }
  Log log;
  Run run(home, 0s);
  run.take(1);
  run.scan({"file", "same"});
  CHECK(log.has("info app: drift still there: modified file"));
  CHECK(log.count("drift opened") == 1);
  CHECK(log.has("warning app: drift opened: modified same"));
  CHECK_FALSE(log.has("drift seen"));
  CHECK(run.tree().drift().open().at("file").first_seen == first_seen);
  REQUIRE(run.records().size() == 2);
  CHECK(run.records()[0].path == "same");
  CHECK(run.records()[1].opened_at == first_seen);
}

TEST_CASE("what nobody was told of before a restart is told when its time has come") {
  TempTree home;
  {
    Log log;
    Run run(home, 1h);
    run.take(1);
    run.scan({"file"});
  }
  Log log;
  Run run(home, 0s);
  run.take(1);
  CHECK_FALSE(log.has("drift"));
  run.scan({"file"});
  CHECK(log.has("warning app: drift opened: modified file"));
}

TEST_CASE("what went while nothing ran has ended, one way or the other") {
  TempTree home;
  Log log;
  {
    Run run(home, 0s);
    run.take(1);
    run.scan({"file", "same", "stays"});
  }
  Run run(home, 0s);
  SUBCASE("put right") { run.take(1); }
  SUBCASE("deployed") { run.take(2, 1); }
  SUBCASE("by a flip") { run.take(2); }
  const bool is_deploy = run.tree().standing().previous != nullptr;
  run.scan({"stays"});
  std::set<std::string> deployed;
  std::set<std::string> open;
  for (const DriftRecord& record : run.records()) {
    if (!record.ended_at) open.insert(record.path);
    if (record.ending == Ending::deployed) deployed.insert(record.path);
  }
  CHECK(open == std::set<std::string>{"stays"});
  CHECK(deployed == (is_deploy ? std::set<std::string>{"file"} : std::set<std::string>{}));
}

TEST_CASE("nobody is warned of what a release that has just come may explain") {
  TempTree home;
  Log log;
  Run run(home, 1s);
  run.take(1);
  run.end_scan({"file", "same"});
  run.take(2, 1);
  // The time comes before the scan does.
  run.pass(1s);
  CHECK_FALSE(log.has("warning"));
  run.scan({"same"});
  CHECK(log.has("info app: drift deployed: modified file"));
  CHECK(log.has("warning app: drift opened: modified same"));
  CHECK(log.count("warning") == 1);
}

TEST_CASE("a history that cannot be written is told once, and is right again when it can be") {
  TempTree home;
  Log log;
  {
    Run before(home, 1h);
    before.take(1);
    before.scan({"unseen"});
  }
  Run run(home, 1h);
  run.take(1);
  run.scan({"file", "same"}, {"unseen"});
  {
    auto other = must(sqlite::Database::open(home.at("state/state.db"), sqlite::Access::write));
    must(other.execute("BEGIN EXCLUSIVE"));
    run.scan({"same", "new"}, {"unseen"});
    CHECK(run.tree().drift().open().contains("new"));
    run.run_until([&] { return log.has("error"); });
    run.scan({"same", "new", "newer"}, {"unseen"});
    CHECK(log.has("drift seen: modified newer"));
  }
  run.run_until([&] { return log.has("written again"); });
  CHECK(log.count("error") == 1);
  std::set<std::string> open;
  for (const DriftRecord& record : run.records()) {
    if (!record.ended_at) open.insert(record.path);
  }
  CHECK(open == std::set<std::string>{"new", "newer", "same", "unseen"});
  CHECK(run.records().size() == 5);
}
