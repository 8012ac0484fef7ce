#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/tree_state.hpp"
#include "tests/unit/daemon/tree_state_script.hpp"
#include "tests/unit/support/make_release.hpp"

using driftd::scanner::DriftKind;
using driftd::test::header_of;
using driftd::test::make_release;
using namespace driftd::daemon;
using namespace driftd::daemon::tree_state_script;
using namespace std::chrono_literals;

namespace {

/// A whole scan that finds these paths still as the release before has them.
void scan_pending(TreeState& state, const std::vector<std::string>& pending,
                  const std::vector<std::string>& drifted = {}) {
  ScanResult result = found(Scope::whole(), drifted);
  for (const std::string& path : pending) {
    Finding finding;
    finding.path = path;
    result.pending.push_back(finding);
  }
  state.scan_started();
  state.full_scan_done(result, kNow, kBoot, 1s);
}

}  // namespace

TEST_CASE("a deploy in place is unknown until every path is the new one, and then clean") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {});
  CHECK(take(state, release(2), release(1)) == News::new_release);
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning, UnknownReason::deploying});
  CHECK(look(state).deploy_in_progress);
  scan_pending(state, {"a", "b"});
  CHECK(look(state).unknown == Reasons{UnknownReason::deploying});
  CHECK(look(state).verdict() == Verdict::unknown);
  CHECK(look(state).deploy_pending == 2);
  CHECK(look(state).drifted_paths() == 0);
  CHECK_FALSE(state.is_deployed());
  SUBCASE("path by path") {
    state.rescan_done(found(scope_of({"a"}), {}), kNow, false);
    CHECK(look(state).deploy_pending == 1);
    state.rescan_done(found(scope_of({"b"}), {}), kNow, false);
  }
  SUBCASE("as a whole") { scan_pending(state, {}); }
  CHECK(state.is_deployed());
  CHECK(look(state).verdict() == Verdict::clean);
  state.deploy_ended();
  CHECK_FALSE(look(state).deploy_in_progress);
  CHECK_FALSE(state.is_deployed());
  CHECK(look(state).verdict() == Verdict::clean);
}

TEST_CASE("what matches neither release is drift at once, and its age survives the deploy") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"edited"}, kNow - 500);
  take(state, release(2), release(1));
  CHECK(look(state).verdict() == Verdict::drift);
  scan_pending(state, {"a"}, {"edited"});
  CHECK(look(state).verdict() == Verdict::drift);
  CHECK(look(state).unknown == Reasons{UnknownReason::deploying});
  CHECK(look(state).oldest_open_drift == kNow - 500);
  CHECK(look(state).counters.drift_detected == 1);
}

TEST_CASE("when its time is over, a deploy is stuck") {
  TreeConfig tree = config();
  tree.deploy_window = 10min;
  TreeState state(tree);
  take(state, release(1));
  scan_whole(state, {});
  take(state, release(2), release(1));
  REQUIRE(state.deploy_deadline());
  CHECK(*state.deploy_deadline() == kBoot + 10min);
  scan_pending(state, {"a", "b"});
  const auto changes = state.deploy_timed_out(kNow + 600);
  CHECK(changes.opened.size() == 2);
  TreeSnapshot snapshot = look(state);
  CHECK(snapshot.verdict() == Verdict::drift);
  CHECK(snapshot.unknown.empty());
  CHECK_FALSE(snapshot.deploy_in_progress);
  CHECK(snapshot.deploy_pending == 2);
  CHECK(snapshot.oldest_open_drift == kNow + 600);
  CHECK_FALSE(state.deploy_deadline());
  // Later scans see it the same way, and a late deploy heals it.
  scan_pending(state, {"b"});
  CHECK(look(state).drifted_paths() == 1);
  scan_pending(state, {});
  CHECK(look(state).verdict() == Verdict::clean);
  CHECK(state.is_deployed());
}

TEST_CASE("a deploy that was under way before a restart has what is left of its time") {
  TreeConfig tree = config();
  tree.deploy_window = 10min;
  for (const auto& [passed, left] : {std::pair<std::int64_t, std::chrono::seconds>{60, 540s}, {-60, 600s}}) {
    TreeState state(tree);
    take(state, release(2), release(1), kNow - passed);
    REQUIRE(state.deploy_deadline());
    CHECK(*state.deploy_deadline() == kBoot + left);
  }
  TreeState late(tree);
  take(late, release(2), release(1), kNow - 601);
  CHECK_FALSE(late.deploy_deadline());
  scan_pending(late, {"a"});
  CHECK(look(late).verdict() == Verdict::drift);
}

TEST_CASE("the end of a deploy is not undone by a decision that has not heard of it") {
  TreeState state(config());
  const auto manifest = release(2);
  const auto previous = release(1);
  take(state, manifest, previous);
  scan_pending(state, {});
  state.deploy_ended();
  CHECK(take(state, manifest, previous) == News::none);
  CHECK_FALSE(look(state).deploy_in_progress);
}

TEST_CASE("where the release before counts no more, nothing is called clean until all is judged without it") {
  TreeState state(config());
  const auto manifest = release(2);
  take(state, manifest, release(1));
  scan_pending(state, {"a"});
  CHECK(take(state, manifest) == News::stricter);
  CHECK(look(state).verdict() == Verdict::unknown);
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {"a"});
  CHECK(look(state).verdict() == Verdict::drift);
  CHECK(take(state, manifest, release(1)) == News::none);
  CHECK_FALSE(look(state).deploy_in_progress);
}

TEST_CASE("what was signed decides where the clock is behind it") {
  auto header = header_of();
  header.expires = kNow + 100;
  TreeState state(config());
  Standing standing;
  standing.manifest = make_release({}, header);
  standing.time_floor = kNow + 200;
  state.take(standing, kNow, kBoot);
  CHECK(look(state).clock_suspect);
  CHECK(look(state).manifest->expired);
  CHECK_FALSE(state.snapshot(kNow + 200, kBoot).clock_suspect);
}

TEST_CASE("a tree that is another release as a whole is one finding until something changes") {
  TreeState state(config());
  take(state, release(2));
  CHECK_FALSE(state.may_be_another_release());
  scan_whole(state, {"a", "b", "c"});
  CHECK(state.may_be_another_release());
  state.set_exactly("v1");
  CHECK_FALSE(state.may_be_another_release());
  CHECK(look(state).exactly == "v1");
  CHECK(look(state).drift == std::map<DriftKind, std::uint64_t>{{DriftKind::modified, 1}});
  CHECK(look(state).verdict() == Verdict::drift);
  state.rescan_done(found(scope_of({"z"}), {}), kNow, false);
  CHECK(look(state).exactly == "v1");
  state.rescan_done(found(scope_of({"a"}), {"a"}), kNow, false);
  CHECK(look(state).exactly.empty());
  CHECK(look(state).drifted_paths() == 3);
  CHECK(state.may_be_another_release());
  state.full_scan_done(found(Scope::whole(), {"a"}, {"secret"}), kNow, kBoot, 1s);
  CHECK_FALSE(state.may_be_another_release());
}
