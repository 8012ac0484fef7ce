#include <string>
#include <vector>

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include "daemon/status_report.hpp"
#include "scanner/compare.hpp"
#include "tests/unit/daemon/report_samples.hpp"

using namespace driftd::daemon;
using namespace driftd::scanner;
using namespace driftd::test;
using driftd::manifests::Error;
using driftd::manifests::ErrorCode;

namespace {

OpenDrift open(Finding finding, std::int64_t age) {
  OpenDrift made;
  made.finding = std::move(finding);
  made.first_seen = kNow - age;
  return made;
}

TreeStatus tree(const std::string& name) {
  TreeStatus made;
  made.summary.name = name;
  made.summary.root = "/srv/" + name;
  made.summary.verdict_since = static_cast<double>(kNow - 7200);
  made.summary.watching_events = true;
  made.summary.full = {.done = 3,
                       .last_success = static_cast<double>(kNow - 3600),
                       .last_duration = 0.41,
                       .interval = 86400,
                       .next = static_cast<double>(kNow + 82800)};
  made.summary.quick = {.done = 9,
                        .last_success = static_cast<double>(kNow - 60),
                        .last_duration = 0.05,
                        .interval = 1800,
                        .next = static_cast<double>(kNow + 1740)};
  made.manifest = make_release({{"a", file_entry("x")}});
  made.summary.manifest.emplace();
  made.trusted_now = kNow;
  return made;
}

/// Something of everything.
StatusReport status_sample() {
  StatusReport report;
  report.host = "web-3";
  report.again = "--config /etc/other.yaml ";
  report.now = kNow;
  report.started_at = kNow - 100'000;
  report.reload_problem = "/etc/other.yaml:1:1: unknown key 'x'";
  report.protection = StateStore::Protection::lost;

  TreeStatus drifted = tree("drifted");
  const TreeReport checked = sample().trees[0];
  for (const Finding& one : checked.scan->findings) drifted.open.push_back(open(one, 200));
  for (const OpenDrift& one : drifted.open) ++drifted.summary.drift[one.finding.kind];
  drifted.unverified = checked.scan->unverified;
  drifted.unverified_in_all = 2;
  drifted.summary.unverified = {{UnverifiedReason::permission, 1}, {UnverifiedReason::mount, 1}};
  drifted.summary.unknown = {UnknownReason::unverified, UnknownReason::overdue};
  drifted.summary.manifest_problem = Error{ErrorCode::replay, "sequence 5 is lower than 6"};
  drifted.forgetful = Error{ErrorCode::io, "/var/lib/driftd/state.db: damaged"};
  drifted.trust_reset = TrustReset{kNow - 86400, "wrong \x1b sequence"};
  drifted.summary.clock_suspect = true;

  TreeStatus deploying = tree("deploying");
  deploying.summary.unknown = {UnknownReason::deploying, UnknownReason::scanning};
  deploying.summary.deploying_from = "v102";
  deploying.summary.deploy_in_progress = true;
  deploying.summary.deploy_pending = 1;
  deploying.pending = {finding("b", DriftKind::modified, {Change::content})};
  deploying.summary.scanning = true;
  deploying.summary.full.next = deploying.summary.quick.next = 0;

  TreeStatus older = tree("older");
  older.open = {open(other_release("v103", "v102"), 90'000)};
  older.summary.drift = {{DriftKind::modified, 1}};
  older.summary.exactly = "v102";
  older.summary.watching_events = false;
  older.summary.polling_reason = "the configuration says watch: polling";

  TreeStatus stalled = tree("stalled");
  stalled.summary.stalled = true;
  stalled.summary.unknown = {UnknownReason::unverified};
  stalled.unverified = {{".", UnverifiedReason::stalled, 0, 0}};
  stalled.unverified_in_all = 1;
  stalled.summary.unverified = {{UnverifiedReason::stalled, 1}};

  TreeStatus refused;
  refused.summary.name = "refused";
  refused.summary.root = "/srv/\xff";
  refused.summary.unknown = {UnknownReason::manifest};
  refused.summary.manifest_problem = Error{ErrorCode::signature, "/srv/third.manifest.minisig: no signature"};
  report.trees = {drifted, deploying, older, stalled, refused};
  return report;
}

std::string json_of(const StatusReport& report) {
  std::string text;
  json_status(report, [&](std::string_view piece) { text += piece; });
  return text;
}

std::string drift_of(const StatusReport& report) {
  std::string text;
  json_drift(report, [&](std::string_view piece) { text += piece; });
  return text;
}

std::string last_line(const TreeStatus& tree) {
  StatusReport report;
  report.now = kNow;
  report.trees = {tree};
  const std::string text = human_status(report, Colour::none);
  const std::string line = text.substr(text.rfind('\n', text.size() - 2) + 1);
  return line.starts_with("Next: ") ? line : "";
}

}  // namespace

TEST_CASE("the status for people") { check_golden("status.txt", steady(human_status(status_sample(), Colour::none))); }

TEST_CASE("the status as JSON") { check_golden("status.json", steady(json_of(status_sample()))); }

TEST_CASE("its paths alone") { check_golden("drift.json", steady(drift_of(status_sample()))); }

TEST_CASE("no status lets a hostile name through") {
  check_harmless(human_status(status_sample(), Colour::none));
  check_harmless(json_of(status_sample()));
  check_harmless(drift_of(status_sample()));
  CHECK(lines_in(json_of(status_sample())) == 1);
}

TEST_CASE("a finding is the same object as in a check's report, and its first sight beside it") {
  StatusReport report;
  report.trees = {tree("app")};
  const auto findings = sample().trees[0].scan->findings;
  for (const Finding& one : findings) report.trees[0].open.push_back(open(one, 10));
  auto status = boost::json::parse(json_of(report)).at("trees").at(0).at("drift").as_array();
  const auto check = boost::json::parse(json_text(sample())).at("trees").at(0).at("drift").as_array();
  for (auto& one : status) {
    CHECK(one.at("first_seen").as_string() == "2025-11-22T09:59:50Z");
    one.as_object().erase("first_seen");
  }
  CHECK(status == check);
}

TEST_CASE("the next command goes with the worst that is known") {
  TreeStatus one = tree("app");
  CHECK(last_line(one).empty());
  one.summary.unknown = {UnknownReason::overdue};
  CHECK(last_line(one) == "Next: driftd scan now --tree app\n");
  one.summary.unknown = {UnknownReason::scanning};
  CHECK(last_line(one) == "Next: wait for it to end, then driftd status\n");
  one.summary.scan_failure = "no memory";
  CHECK(last_line(one) == "Next: driftd scan now --tree app\n");
  one.unverified = {{"a b", UnverifiedReason::io, 5, 0}};
  CHECK(last_line(one) == "Next: driftd explain '/srv/app/a b'\n");
  one.summary.stalled = true;
  CHECK(last_line(one) == "Next: see to the file system of app, for example: df /srv/app\n");
  one.summary.unknown = {UnknownReason::manifest};
  CHECK(last_line(one) == "Next: put the manifest of app right, then driftd status\n");
  one.open = {open(finding("b\n", DriftKind::added), 0)};
  one.summary.drift = {{DriftKind::added, 1}};
  CHECK(last_line(one) == "Next: driftd explain $'/srv/app/b\\012'\n");
}

TEST_CASE("no tree is no clean bill") { CHECK(StatusReport{}.verdict() == Verdict::unknown); }

TEST_CASE("of very many paths a part is taken over, and all are counted") {
  TreeConfig config;
  config.name = "app";
  config.root = "/srv/app";
  TreeState state(config);
  Standing standing;
  standing.manifest = make_release({{"a", file_entry("x")}});
  state.take(standing, kNow, {});
  ScanResult result;
  result.scope = Scope::whole();
  for (int i = 1000; i < 1300; ++i) {
    result.findings.push_back(finding("lib/" + std::to_string(i), DriftKind::added));
    result.unverified.push_back({"var/" + std::to_string(i), UnverifiedReason::io, 5, 0});
  }
  state.full_scan_done(std::move(result), kNow, {}, {});
  const auto take = [&](std::size_t& budget) { return tree_status(state, state.snapshot(kNow, {}), kNow, budget); };
  std::size_t budget = 0;
  TreeStatus few = take(budget);
  CHECK(few.open.size() == kMostFindings);
  CHECK(few.unverified.size() == kMostFindings);
  CHECK(few.unverified_in_all == 300);
  CHECK(few.is_cut);
  StatusReport report;
  report.now = kNow;
  report.trees = {few};
  const std::string text = human_status(report, Colour::none);
  CHECK(holds(text, "  ... 300 in all, by directory:\n       300  lib/\n"));
  CHECK(holds(text, "  ... 300 unverified paths in all\n"));

  budget = 310;
  few = take(budget);
  CHECK(few.open.size() == 300);
  CHECK(few.unverified.size() == kMostFindings);
  CHECK(few.is_cut);
  CHECK(budget == 0);

  budget = 1000;
  few = take(budget);
  CHECK(few.open.size() == 300);
  CHECK(few.unverified.size() == 300);
  CHECK_FALSE(few.is_cut);
  CHECK(budget == 400);

  // A tree that stalls is unverified as a whole, and keeps its drift.
  state.set_stalled(true);
  budget = 1000;
  few = take(budget);
  CHECK(few.unverified_in_all == 301);
  CHECK(few.unverified.front().path == ".");
  CHECK(few.open.size() == 300);

  // As a whole another release: that is all there is to say.
  state.set_exactly("v102");
  few = take(budget);
  REQUIRE(few.open.size() == 1);
  CHECK(few.open[0].finding.changes.has(Change::release));
}
