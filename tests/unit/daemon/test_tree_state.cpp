#include <chrono>
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
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::scanner::UnverifiedReason;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::make_release;
using Offer = TreeState::Offer;
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

TreeState::Manifest release(std::uint64_t sequence, const std::string& content = "x") {
  return make_release({{"file", file_entry(content)}}, header_of("v" + std::to_string(sequence), sequence));
}

void scan_whole(TreeState& state, const std::vector<std::string>& paths, std::int64_t now = kNow,
                TreeState::BootTime boot = kBoot) {
  state.full_scan_started();
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
  CHECK(state.offer(release(1)) == Offer::taken);
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  state.full_scan_started();
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
  state.offer(manifest);
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
  state.offer(make_release({}, header));
  scan_whole(state, {});
  CHECK(look(state).manifest->expired);
  CHECK(look(state).verdict() == Verdict::clean);
  scan_whole(state, {"x"});
  CHECK(look(state).verdict() == Verdict::drift);
}

TEST_CASE("the same bytes again change nothing") {
  TreeState state(config());
  const auto manifest = release(1);
  state.offer(manifest);
  scan_whole(state, {"a"});
  CHECK(state.offer(manifest) == Offer::same);
  CHECK(open_paths(state) == Paths{"a"});
  CHECK(look(state).unknown.empty());
}

TEST_CASE("a new release makes all that was known void") {
  TreeState state(config());
  state.offer(release(1));
  scan_whole(state, {"a"});
  CHECK(state.offer(release(2)) == Offer::taken);
  CHECK(open_paths(state).empty());
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  CHECK(look(state).manifest->release == "v2");
  CHECK(look(state).counters.drift_detected == 1);
}

TEST_CASE("a refusal shows, and leaves what is in force and all that is known") {
  TreeState state(config());
  state.offer(release(5));
  scan_whole(state, {"a"});
  struct Case {
    driftd::manifests::Result<TreeState::Manifest> offered;
    ErrorCode code;
  };
  for (const Case& one : {
           Case{release(4), ErrorCode::replay},
           Case{release(5, "y"), ErrorCode::equivocation},
           Case{Error{ErrorCode::signature, "no good signature"}, ErrorCode::signature},
           Case{Error{ErrorCode::unreadable, "gone"}, ErrorCode::unreadable},
           Case{Error{ErrorCode::scope, "staging"}, ErrorCode::scope},
       }) {
    CAPTURE(to_string(one.code));
    const auto rejections = look(state).counters.manifest_rejections;
    CHECK(state.offer(one.offered) == Offer::refused);
    const TreeSnapshot snapshot = look(state);
    REQUIRE(snapshot.manifest_problem);
    CHECK(snapshot.manifest_problem->code == one.code);
    CHECK(snapshot.manifest->sequence == 5);
    CHECK(snapshot.unknown.empty());
    CHECK(open_paths(state) == Paths{"a"});
    CHECK(snapshot.counters.manifest_rejections == rejections + 1);
    // Read again every second, it is no news.
    state.offer(one.offered);
    CHECK(look(state).counters.manifest_rejections == rejections + 1);
  }
  CHECK(state.offer(release(6)) == Offer::taken);
  CHECK_FALSE(look(state).manifest_problem);
}

TEST_CASE("keys that no longer count take the manifest in force with them") {
  struct Case {
    ErrorCode code;
    Reasons with_manifest;
    Reasons without;
  };
  for (const Case& one : {
           Case{ErrorCode::revoked, {UnknownReason::key_revoked}, {UnknownReason::key_revoked}},
           Case{ErrorCode::trust, {UnknownReason::manifest}, {UnknownReason::manifest}},
           Case{ErrorCode::signature, {}, {UnknownReason::manifest}},
           Case{ErrorCode::format, {}, {UnknownReason::manifest}},
       }) {
    CAPTURE(to_string(one.code));
    TreeState fresh(config());
    fresh.offer(Error{one.code, "refused"});
    CHECK(look(fresh).unknown == one.without);
    CHECK(look(fresh).verdict() == Verdict::unknown);

    TreeState state(config());
    const auto manifest = release(1);
    state.offer(manifest);
    scan_whole(state, {});
    state.offer(Error{one.code, "refused"});
    CHECK(look(state).unknown == one.with_manifest);
    scan_whole(state, {"a"});
    CHECK(look(state).verdict() == Verdict::drift);
    CHECK(state.offer(manifest) == Offer::same);
    scan_whole(state, {});
    CHECK(look(state).verdict() == Verdict::clean);
  }
}

TEST_CASE("a root that leads elsewhere has to be scanned anew") {
  TreeState state(config());
  state.offer(release(1));
  scan_whole(state, {"a"});
  state.root_changed();
  CHECK(open_paths(state).empty());
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {});
  CHECK(look(state).verdict() == Verdict::clean);
}

TEST_CASE("a failed scan makes the tree unknown until one succeeds; drift that is known stays") {
  TreeState state(config());
  state.offer(release(1));
  scan_whole(state, {});
  state.full_scan_started();
  state.full_scan_failed("the root is gone");
  CHECK(look(state).unknown == Reasons{UnknownReason::scanning});
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
  state.offer(release(1));
  scan_whole(state, {"old"});
  state.full_scan_started();
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
    state.full_scan_failed("stopped");
    scan_whole(state, {});
    CHECK(open_paths(state).empty());
  }
}

TEST_CASE("since when, how many, and by kind") {
  TreeState state(config());
  state.offer(release(1));
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
  state.offer(release(1));
  CHECK(look(state).unverified.empty());
  state.full_scan_started();
  state.full_scan_done(found(Scope::whole(), {}, {"a", "b"}), kNow, kBoot, 1s);
  CHECK(look(state).unverified == std::map<UnverifiedReason, std::uint64_t>{{UnverifiedReason::permission, 2}});
  CHECK(look(state).unknown == Reasons{UnknownReason::unverified});
  scan_whole(state, {});
  CHECK(look(state).unverified == std::map<UnverifiedReason, std::uint64_t>{{UnverifiedReason::permission, 0}});
  CHECK(look(state).verdict() == Verdict::clean);
}

TEST_CASE("without events only scans see anything, so they are more frequent") {
  const auto interval = [](bool events, std::chrono::seconds full, std::optional<std::chrono::seconds> quick) {
    TreeConfig tree = config();
    tree.full_scan = full;
    if (quick) tree.quick_scan = *quick;
    tree.quick_scan_is_set = quick.has_value();
    TreeState state(tree);
    state.set_watching(events);
    CHECK(look(state).full.interval == static_cast<double>(state.full_interval().count()));
    CHECK(look(state).watching_events == events);
    return state.full_interval();
  };
  CHECK(interval(true, 24h, {}) == 24h);
  CHECK(interval(false, 24h, {}) == 5min);
  CHECK(interval(false, 24h, 1min) == 1min);
  CHECK(interval(false, 24h, 2h) == 2h);
  CHECK(interval(false, 1min, 2h) == 1min);
  CHECK(interval(true, 1min, {}) == 1min);
}

TEST_CASE("a full scan that does not come is overdue after two intervals") {
  TreeConfig tree = config();
  tree.full_scan = 1h;
  TreeState state(tree);
  state.set_watching(true);
  state.offer(release(1));
  CHECK(state.snapshot(kNow, kBoot + 100h).unknown == Reasons{UnknownReason::scanning});
  scan_whole(state, {});
  CHECK(state.snapshot(kNow, kBoot + 2h).unknown.empty());
  CHECK(state.snapshot(kNow, kBoot + 2h + 1ns).unknown == Reasons{UnknownReason::overdue});
  state.rescan_done(found(scope_of({"a"}), {}), kNow, false);
  CHECK(state.snapshot(kNow, kBoot + 3h).unknown == Reasons{UnknownReason::overdue});
  scan_whole(state, {}, kNow, kBoot + 3h);
  CHECK(state.snapshot(kNow, kBoot + 4h).unknown.empty());
}

TEST_CASE("events are counted") {
  TreeState state(config());
  state.count_events(5, false);
  state.count_events(2, true);
  CHECK(look(state).counters.watch_events == 7);
  CHECK(look(state).counters.watch_overflows == 1);
}
