#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/tree_state.hpp"
#include "tests/unit/daemon/tree_state_script.hpp"
#include "tests/unit/support/make_release.hpp"

using driftd::manifests::ErrorCode;
using driftd::scanner::OpenDrift;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::make_release;
using namespace driftd::daemon;
using namespace driftd::daemon::tree_state_script;
using namespace std::chrono_literals;

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
