#include <map>

#include <doctest/doctest.h>

#include "daemon/tree_state.hpp"
#include "tests/unit/daemon/tree_state_script.hpp"

using driftd::scanner::DriftKind;
using namespace driftd::daemon;
using namespace driftd::daemon::tree_state_script;
using namespace std::chrono_literals;

TEST_CASE("a failed scan makes the tree unknown until one succeeds; drift that is known stays") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {});
  state.scan_started();
  state.scan_failed(driftd::daemon::Depth::full, "the root is gone");
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning, UnknownReason::unverified});
  CHECK(look(state).full.failed == 1);
  CHECK(look(state).full.done == 1);
  CHECK(state.scan_failure() == "the root is gone");
  state.rescan_done(found(scope_of({"a"}), {"a"}), kNow, false);
  CHECK(look(state).verdict() == Verdict::drift);
  scan_whole(state, {});
  CHECK(look(state).verdict() == Verdict::clean);
  CHECK(state.scan_failure().empty());
}

TEST_CASE("a rescan that began while a full scan was running is the later look") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"old"});
  state.scan_started();
  SUBCASE("it found drift, the full scan had seen none") {
    state.rescan_done(found(scope_of({"d"}), {"d/new"}), kNow + 1, true);
    state.full_scan_done(found(Scope::whole(), {"other"}), kNow + 2, kBoot, 1s);
    CHECK(open_paths(state) == Paths{"d/new", "other"});
  }
  SUBCASE("it found none, the full scan had seen some") {
    state.rescan_done(found(scope_of({"d", "old"}), {}), kNow + 1, true);
    state.full_scan_done(found(Scope::whole(), {"d", "d/x", "old", "other"}), kNow + 2, kBoot, 1s);
    CHECK(open_paths(state) == Paths{"other"});
  }
  SUBCASE("it could not verify, the full scan could") {
    state.rescan_done(found(scope_of({"d"}), {}, {"d/secret"}), kNow + 1, true);
    state.full_scan_done(found(Scope::whole(), {}), kNow + 2, kBoot, 1s);
    CHECK(look(state).unverified.at(UnverifiedReason::permission) == 1);
    CHECK(look(state).unknown == Reasons{UnknownReason::unverified});
  }
  SUBCASE("one that began before is the earlier look") {
    state.rescan_done(found(scope_of({"d"}), {"d/new"}), kNow + 1, false);
    state.full_scan_done(found(Scope::whole(), {}), kNow + 2, kBoot, 1s);
    CHECK(open_paths(state).empty());
  }
  SUBCASE("it holds for that full scan alone") {
    state.rescan_done(found(scope_of({"d"}), {"d/new"}), kNow + 1, true);
    state.full_scan_done(found(Scope::whole(), {}), kNow + 2, kBoot, 1s);
    scan_whole(state, {});
    CHECK(open_paths(state).empty());
  }
  SUBCASE("and not for the next, where this one fails") {
    state.rescan_done(found(scope_of({"d"}), {"d/new"}), kNow + 1, true);
    state.scan_failed(driftd::daemon::Depth::full, "stopped");
    scan_whole(state, {});
    CHECK(open_paths(state).empty());
  }
}

TEST_CASE("since when, how many, and by kind") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"b"}, kNow - 50);
  state.rescan_done(found(scope_of({"a"}), {"a"}), kNow - 20, false);
  ScanResult more = found(scope_of({"c"}), {"c"});
  more.findings[0].kind = DriftKind::added;
  more.hashed_files = 3;
  more.hashed_bytes = 100;
  const auto changes = state.rescan_done(more, kNow - 10, false);
  CHECK(changes.opened.size() == 1);
  TreeSnapshot snapshot = look(state);
  CHECK(snapshot.oldest_open_drift == kNow - 50);
  CHECK(snapshot.drift == std::map<DriftKind, std::uint64_t>{{DriftKind::modified, 2}, {DriftKind::added, 1}});
  CHECK(snapshot.drifted_paths() == 3);
  CHECK(snapshot.counters.drift_detected == 3);
  CHECK(snapshot.counters.hashed_files == 3);
  CHECK(snapshot.counters.hashed_bytes == 100);
  state.rescan_done(found(scope_of({"b"}), {}), kNow, false);
  snapshot = look(state);
  CHECK(snapshot.oldest_open_drift == kNow - 20);
  CHECK(snapshot.counters.drift_resolved == 1);
}

TEST_CASE("a reason for unverified paths, once seen, keeps its series") {
  TreeState state(config());
  take(state, release(1));
  CHECK(look(state).unverified.empty());
  state.scan_started();
  state.full_scan_done(found(Scope::whole(), {}, {"a", "b"}), kNow, kBoot, 1s);
  CHECK(look(state).unverified == std::map<UnverifiedReason, std::uint64_t>{{UnverifiedReason::permission, 2}});
  CHECK(look(state).unknown == Reasons{UnknownReason::unverified});
  scan_whole(state, {});
  CHECK(look(state).unverified == std::map<UnverifiedReason, std::uint64_t>{{UnverifiedReason::permission, 0}});
  CHECK(look(state).verdict() == Verdict::clean);
}

TEST_CASE("without events only scans see anything, so they are more frequent") {
  const auto interval = [](bool events, std::optional<std::chrono::seconds> quick) {
    TreeConfig tree = config();
    if (quick) tree.quick_scan = *quick;
    tree.quick_scan_is_set = quick.has_value();
    TreeState state(tree);
    state.set_watching(events);
    CHECK(look(state).full.interval == static_cast<double>(tree.full_scan.count()));
    CHECK(look(state).quick.interval == static_cast<double>(state.quick_interval().count()));
    CHECK(look(state).watching_events == events);
    return state.quick_interval();
  };
  CHECK(interval(true, {}) == 30min);
  CHECK(interval(false, {}) == 5min);
  CHECK(interval(false, 1min) == 1min);
  CHECK(interval(true, 2h) == 2h);
}

TEST_CASE("a full scan that does not come is overdue after two intervals, whatever quick scans say") {
  TreeConfig tree = config();
  tree.full_scan = 1h;
  TreeState state(tree);
  state.set_watching(true);
  const auto quick_scan = [&](std::chrono::nanoseconds at) {
    state.scan_started();
    state.quick_scan_done(found(Scope::whole(), {}), kNow, kBoot + at, 1s);
  };
  take(state, release(1));
  CHECK(state.snapshot(kNow, kBoot + 100h).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {});
  quick_scan(2h);
  CHECK(state.snapshot(kNow, kBoot + 2h).unknown.empty());
  CHECK(state.snapshot(kNow, kBoot + 2h + 1ns).unknown == Reasons{UnknownReason::overdue});
  state.rescan_done(found(scope_of({"a"}), {}), kNow, false);
  quick_scan(3h);
  CHECK(state.snapshot(kNow, kBoot + 3h).unknown == Reasons{UnknownReason::overdue});
  scan_whole(state, {}, kNow, kBoot + 3h);
  quick_scan(4h);
  CHECK(state.snapshot(kNow, kBoot + 4h).unknown.empty());
}

TEST_CASE("a quick scan that does not come is overdue after two intervals; a full scan is one, too") {
  TreeState state(config());
  state.set_watching(true);
  take(state, release(1));
  scan_whole(state, {});
  CHECK(state.snapshot(kNow, kBoot + 1h).unknown.empty());
  CHECK(state.snapshot(kNow, kBoot + 1h + 1ns).unknown == Reasons{UnknownReason::overdue});
  scan_whole(state, {}, kNow, kBoot + 1h);
  CHECK(state.snapshot(kNow, kBoot + 2h).unknown.empty());
}

TEST_CASE("a quick scan finds and resolves drift, and makes nothing complete that is not") {
  TreeState state(config());
  take(state, release(1));
  state.scan_started();
  state.quick_scan_done(found(Scope::whole(), {}), kNow, kBoot, 1s);
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {"a"});
  state.scan_started();
  const auto changes = state.quick_scan_done(found(Scope::whole(), {"b"}), kNow, kBoot, 2s);
  REQUIRE(changes.opened.size() == 1);
  CHECK(changes.opened.front()->finding.path == "b");
  REQUIRE(changes.resolved.size() == 1);
  CHECK(look(state).quick.done == 2);
  CHECK(look(state).quick.last_duration == 2.0);
  CHECK(look(state).full.done == 1);
}

TEST_CASE("a quick scan that fails leaves the tree unknown until a full one succeeds") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {});
  state.scan_started();
  state.scan_failed(driftd::daemon::Depth::quick, "no threads");
  CHECK(look(state).quick.failed == 1);
  CHECK(look(state).full.failed == 0);
  CHECK(look(state).verdict() == Verdict::unknown);
  state.scan_started();
  state.quick_scan_done(found(Scope::whole(), {}), kNow, kBoot, 1s);
  CHECK(look(state).verdict() == Verdict::unknown);
  scan_whole(state, {});
  CHECK(look(state).verdict() == Verdict::clean);
}

TEST_CASE("events are counted") {
  TreeState state(config());
  state.count_events(5, false);
  state.count_events(2, true);
  CHECK(look(state).counters.watch_events == 7);
  CHECK(look(state).counters.watch_overflows == 1);
}

TEST_CASE("while the file system does not answer nothing is known, and drift that was found stays") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"a"});
  CHECK_FALSE(state.is_stalled());
  state.set_stalled(true);
  CHECK(state.is_stalled());
  CHECK(look(state).unknown == Reasons{UnknownReason::unverified});
  CHECK(look(state).unverified == std::map<UnverifiedReason, std::uint64_t>{{UnverifiedReason::stalled, 1}});
  CHECK(look(state).drift.at(DriftKind::modified) == 1);
  state.set_stalled(false);
  CHECK(look(state).unknown.empty());
  // A series that has appeared stays.
  CHECK(look(state).unverified.at(UnverifiedReason::stalled) == 0);
}
