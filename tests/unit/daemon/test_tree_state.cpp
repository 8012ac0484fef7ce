#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/tree_state.hpp"
#include "tests/unit/support/make_release.hpp"

using namespace driftd::daemon;
using driftd::manifests::Error;
using driftd::manifests::ErrorCode;
using driftd::manifests::RelPath;
using driftd::scanner::DriftKind;
using driftd::scanner::Finding;
using driftd::scanner::OpenDrift;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::scanner::UnverifiedReason;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::make_release;
using News = TreeState::News;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kNow = 1'763'720'000;
constexpr TreeState::BootTime kBoot = 1h;

TreeConfig config() {
  TreeConfig made;
  made.name = "myapp";
  made.labels = {{"team", "web"}};
  return made;
}

Scope scope_of(const std::vector<std::string>& paths) {
  Scope scope;
  for (const std::string& path : paths) scope.add(*RelPath::parse(path));
  return scope;
}

ScanResult found(Scope scope, const std::vector<std::string>& paths, const std::vector<std::string>& unverified = {}) {
  ScanResult result;
  result.scope = std::move(scope);
  for (const std::string& path : paths) {
    Finding finding;
    finding.path = path;
    result.findings.push_back(finding);
  }
  for (const std::string& path : unverified) result.unverified.push_back({path, UnverifiedReason::permission, 0, 0});
  return result;
}

ManifestPointer release(std::uint64_t sequence, const std::string& content = "x") {
  return make_release({{"file", file_entry(content)}}, header_of("v" + std::to_string(sequence), sequence));
}

/// In force from now on. `previous`: by a deploy in place that began at `since`.
News take(TreeState& state, ManifestPointer manifest, ManifestPointer previous = nullptr, std::int64_t since = kNow) {
  Standing standing;
  standing.manifest = std::move(manifest);
  standing.previous = std::move(previous);
  if (standing.previous) standing.transition = Transition{standing.previous->identity(), since};
  return state.take(standing, kNow, kBoot);
}

/// What is in force stays; what lies on disk is refused.
News refuse(TreeState& state, Error problem, std::optional<Error> distrust = {}) {
  Standing standing = state.standing();
  standing.problem = std::move(problem);
  standing.distrust = std::move(distrust);
  return state.take(standing, kNow, kBoot);
}

void scan_whole(TreeState& state, const std::vector<std::string>& paths, std::int64_t now = kNow,
                TreeState::BootTime boot = kBoot) {
  state.scan_started();
  state.full_scan_done(found(Scope::whole(), paths), now, boot, 2s);
}

TreeSnapshot look(const TreeState& state) { return state.snapshot(kNow, kBoot); }

using Reasons = std::set<UnknownReason>;

std::set<std::string> open_paths(const TreeState& state) {
  std::set<std::string> paths;
  for (const auto& [path, open] : state.drift().open()) paths.insert(path);
  return paths;
}
using Paths = std::set<std::string>;

}  // namespace

TEST_CASE("from nothing to clean") {
  TreeState state(config());
  CHECK(look(state).unknown == Reasons{UnknownReason::manifest});
  CHECK_FALSE(look(state).manifest);
  CHECK(take(state, release(1)) == News::new_release);
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  state.scan_started();
  CHECK(look(state).verdict() == Verdict::unknown);
  state.full_scan_done(found(Scope::whole(), {}), kNow, kBoot, 1500ms);
  const TreeSnapshot snapshot = look(state);
  CHECK(snapshot.verdict() == Verdict::clean);
  CHECK(snapshot.name == "myapp");
  CHECK(snapshot.labels == Labels{{"team", "web"}});
  CHECK(snapshot.full.done == 1);
  CHECK(snapshot.full.failed == 0);
  CHECK(snapshot.full.last_success == double{kNow});
  CHECK(snapshot.full.last_duration == doctest::Approx(1.5));
  CHECK(snapshot.oldest_open_drift == 0);
}

TEST_CASE("what is in force is told of") {
  auto header = header_of("v7", 7);
  header.overrides = {"skip-tests", "emergency", "skip-tests"};
  header.expires = kNow;
  header = driftd::test::with_globs(header, {"tmp/**", "log/*"});
  TreeState state(config());
  const auto manifest = make_release({{"file", file_entry("x")}}, header);
  take(state, manifest);
  const ManifestInfo info = look(state).manifest.value();
  CHECK(info.release == "v7");
  CHECK(info.sequence == 7);
  CHECK(info.entries == 2);
  CHECK(info.unchecked_rules == 2);
  CHECK(info.created == header.created);
  CHECK(info.expires == kNow);
  CHECK(info.overrides == std::vector<std::string>{"emergency", "skip-tests"});
  CHECK(info.key_ids == std::vector<std::string>{to_string(driftd::test::signing_key().public_key().id)});
  CHECK(info.content == "blake3:" + to_hex(manifest->content()));
  CHECK_FALSE(state.snapshot(kNow - 1, kBoot).manifest->expired);
  CHECK(state.snapshot(kNow + 1, kBoot).manifest->expired);
}

TEST_CASE("an expired manifest goes on being checked against") {
  auto header = header_of();
  header.expires = kNow - 1000;
  TreeState state(config());
  take(state, make_release({}, header));
  scan_whole(state, {});
  CHECK(look(state).manifest->expired);
  CHECK(look(state).verdict() == Verdict::clean);
  scan_whole(state, {"x"});
  CHECK(look(state).verdict() == Verdict::drift);
}

TEST_CASE("the same bytes again change nothing") {
  TreeState state(config());
  const auto manifest = release(1);
  take(state, manifest);
  scan_whole(state, {"a"});
  CHECK(take(state, manifest) == News::none);
  CHECK(open_paths(state) == Paths{"a"});
  CHECK(look(state).unknown.empty());
}

TEST_CASE("a new release makes all that was known void") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"a"});
  CHECK(take(state, release(2)) == News::new_release);
  CHECK(open_paths(state).empty());
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  CHECK(look(state).manifest->release == "v2");
  CHECK(look(state).counters.drift_detected == 1);
}

TEST_CASE("a refusal shows, and leaves what is in force and all that is known") {
  TreeState state(config());
  take(state, release(5));
  scan_whole(state, {"a"});
  for (const ErrorCode code : {ErrorCode::replay, ErrorCode::equivocation, ErrorCode::signature, ErrorCode::unreadable,
                               ErrorCode::scope, ErrorCode::expired, ErrorCode::revoked}) {
    CAPTURE(to_string(code));
    const auto rejections = look(state).counters.manifest_rejections;
    const Error problem{code, "because of " + std::string(to_string(code))};
    CHECK(refuse(state, problem) == News::none);
    const TreeSnapshot snapshot = look(state);
    REQUIRE(snapshot.manifest_problem);
    CHECK(snapshot.manifest_problem->code == code);
    CHECK(snapshot.manifest->sequence == 5);
    CHECK(snapshot.unknown.empty());
    CHECK(open_paths(state) == Paths{"a"});
    CHECK(snapshot.counters.manifest_rejections == rejections + 1);
    // Read again every second, it is no news.
    refuse(state, problem);
    CHECK(look(state).counters.manifest_rejections == rejections + 1);
  }
  CHECK(take(state, release(6)) == News::new_release);
  CHECK_FALSE(look(state).manifest_problem);
}

TEST_CASE("keys that no longer count take the manifest in force with them") {
  struct Case {
    ErrorCode code;
    Reasons reasons;
  };
  for (const Case& one :
       {Case{ErrorCode::revoked, {UnknownReason::key_revoked}}, Case{ErrorCode::trust, {UnknownReason::manifest}},
        Case{ErrorCode::signature, {UnknownReason::manifest}}}) {
    CAPTURE(to_string(one.code));
    const Error error{one.code, "refused"};
    TreeState fresh(config());
    refuse(fresh, error);
    CHECK(look(fresh).unknown == one.reasons);
    CHECK(look(fresh).verdict() == Verdict::unknown);

    TreeState state(config());
    const auto manifest = release(1);
    take(state, manifest);
    scan_whole(state, {});
    refuse(state, error, error);
    CHECK(look(state).unknown == one.reasons);
    CHECK(look(state).verdict() == Verdict::unknown);
    scan_whole(state, {"a"});
    CHECK(look(state).verdict() == Verdict::drift);
    CHECK(take(state, manifest) == News::none);
    scan_whole(state, {});
    CHECK(look(state).verdict() == Verdict::clean);
  }
}

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

namespace {

std::map<std::string, OpenDrift> open_since(std::int64_t first_seen, const std::vector<std::string>& paths) {
  std::map<std::string, OpenDrift> open;
  for (const std::string& path : paths) {
    open[path].finding.path = path;
    open[path].first_seen = first_seen;
  }
  return open;
}

}  // namespace

TEST_CASE("what was known before a restart gives drift its age, and decides nothing") {
  TreeState state(config());
  const auto manifest = release(1);
  state.recall(open_since(kNow - 500, {"a", "b"}), manifest->identity());
  CHECK(take(state, manifest) == News::new_release);
  CHECK(look(state).verdict() == Verdict::unknown);
  CHECK(look(state).drifted_paths() == 0);
  CHECK(look(state).oldest_open_drift == 0);
  SUBCASE("still there") {
    state.scan_started();
    const auto changes = state.full_scan_done(found(Scope::whole(), {"a"}), kNow, kBoot, 1s);
    CHECK(changes.opened.empty());
    REQUIRE(changes.resolved.size() == 1);
    CHECK(changes.resolved.begin()->first == "b");
    CHECK_FALSE(changes.resolved.at("b").outdated);
    CHECK(look(state).oldest_open_drift == kNow - 500);
    CHECK(look(state).counters.drift_detected == 0);
  }
  SUBCASE("gone") {
    scan_whole(state, {});
    CHECK(look(state).verdict() == Verdict::clean);
    CHECK(look(state).oldest_open_drift == 0);
  }
}

TEST_CASE("the manifest by which drift was judged decides whether a look is due") {
  const auto first = release(1);
  const auto second = release(2, "y");
  const auto outdated_after = [](TreeState& state) {
    state.scan_started();
    return state.full_scan_done(found(Scope::whole(), {}), kNow, kBoot, 1s).resolved.begin()->second.outdated;
  };
  TreeState restarted(config());
  restarted.recall(open_since(kNow - 5, {"file"}), first->identity());
  take(restarted, second, first);
  CHECK(outdated_after(restarted));
  CHECK(restarted.judged_by() == second->identity());

  TreeState judged(config());
  judged.recall(open_since(kNow - 5, {"file"}), second->identity());
  take(judged, second, first);
  CHECK_FALSE(outdated_after(judged));

  TreeState running(config());
  take(running, first);
  scan_whole(running, {"file"});
  take(running, second, first);
  CHECK(running.judged_by() == first->identity());
  CHECK(running.drift().open().at("file").outdated);
  CHECK(outdated_after(running));
}

TEST_CASE("drift ends with the root that it was in, when the new one has been seen") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"a", "b"}, kNow - 500);
  state.root_changed();
  take(state, release(2));
  CHECK(look(state).drifted_paths() == 0);
  state.scan_started();
  const auto changes = state.full_scan_done(found(Scope::whole(), {"a", "c"}), kNow, kBoot, 1s);
  REQUIRE(changes.resolved.size() == 1);
  CHECK(changes.resolved.begin()->first == "b");
  REQUIRE(changes.recalled.size() == 1);
  CHECK(changes.recalled[0]->finding.path == "a");
  CHECK(state.drift().open().at("a").first_seen == kNow - 500);
  REQUIRE(changes.opened.size() == 1);
  CHECK(changes.opened[0]->finding.path == "c");
}

TEST_CASE("a root that leads elsewhere has to be scanned anew") {
  TreeState state(config());
  take(state, release(1));
  scan_whole(state, {"a"});
  state.root_changed();
  CHECK(open_paths(state).empty());
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {});
  CHECK(look(state).verdict() == Verdict::clean);
}

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
