#include <array>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/snapshot.hpp"

using namespace driftd::daemon;
using driftd::scanner::DriftKind;

namespace {

constexpr std::array kAllReasons = {UnknownReason::unverified, UnknownReason::manifest,  UnknownReason::key_revoked,
                                    UnknownReason::scanning,   UnknownReason::deploying, UnknownReason::overdue};

TreeSnapshot tree(std::uint64_t drifted, std::set<UnknownReason> unknown) {
  TreeSnapshot made;
  if (drifted > 0) made.drift[DriftKind::modified] = drifted;
  made.unknown = std::move(unknown);
  return made;
}

}  // namespace

TEST_CASE("drift beats unknown, and only what is established is clean") {
  CHECK(tree(0, {}).verdict() == Verdict::clean);
  CHECK(tree(1, {}).verdict() == Verdict::drift);
  for (const UnknownReason reason : kAllReasons) {
    CAPTURE(to_string(reason));
    CHECK(tree(0, {reason}).verdict() == Verdict::unknown);
    CHECK(tree(1, {reason}).verdict() == Verdict::drift);
  }
  TreeSnapshot zeros;
  for (const DriftKind kind : driftd::scanner::kAllDriftKinds) zeros.drift[kind] = 0;
  CHECK(zeros.verdict() == Verdict::clean);
  CHECK(zeros.drifted_paths() == 0);
  zeros.drift[DriftKind::added] = 2;
  zeros.drift[DriftKind::target] = 3;
  CHECK(zeros.drifted_paths() == 5);
}

TEST_CASE("of several trees the worst decides; of none nothing is known") {
  const TreeSnapshot clean = tree(0, {});
  const TreeSnapshot drift = tree(1, {});
  const TreeSnapshot unknown = tree(0, {UnknownReason::scanning});
  const auto all = [](std::vector<TreeSnapshot> trees) {
    Snapshot snapshot;
    snapshot.trees = std::move(trees);
    return snapshot.verdict();
  };
  CHECK(all({}) == Verdict::unknown);
  CHECK(all({clean, clean}) == Verdict::clean);
  CHECK(all({clean, unknown, clean}) == Verdict::unknown);
  CHECK(all({unknown, drift, clean}) == Verdict::drift);
  CHECK(all({drift, unknown}) == Verdict::drift);
}

TEST_CASE("verdicts and their exit codes") {
  CHECK(exit_code(Verdict::clean) == 0);
  CHECK(exit_code(Verdict::drift) == 2);
  CHECK(exit_code(Verdict::unknown) == 1);
  for (const Verdict a : kAllVerdicts) {
    for (const Verdict b : kAllVerdicts) {
      CHECK(worse(a, b) == worse(b, a));
      CHECK(worse(a, a) == a);
      CHECK((worse(a, b) == a || worse(a, b) == b));
    }
  }
}

TEST_CASE("ready: every tree has had a complete scan") {
  Snapshot snapshot;
  snapshot.trees = {tree(0, {}), tree(1, {})};
  CHECK_FALSE(snapshot.ready());
  snapshot.trees[0].full.done = 1;
  CHECK_FALSE(snapshot.ready());
  snapshot.trees[1].full.done = 3;
  CHECK(snapshot.ready());
}

TEST_CASE("a histogram counts each value in every bucket that can hold it") {
  LatencyHistogram histogram;
  const std::vector<double> values{0, 0.004, 0.005, 0.0051, 0.1, 0.7, 10, 10.1, 1e9};
  double sum = 0;
  for (const double value : values) {
    histogram.observe(value);
    sum += value;
  }
  CHECK(histogram.count == values.size());
  CHECK(histogram.sum == doctest::Approx(sum));
  for (std::size_t i = 0; i < kLatencyBounds.size(); ++i) {
    std::uint64_t expected = 0;
    for (const double value : values) expected += value <= kLatencyBounds[i] ? 1U : 0U;
    CAPTURE(kLatencyBounds[i]);
    CHECK(histogram.cumulative[i] == expected);
  }
  for (std::size_t i = 1; i < kLatencyBounds.size(); ++i) CHECK(kLatencyBounds[i - 1] < kLatencyBounds[i]);
}

TEST_CASE("every reason has a name of its own") {
  std::set<std::string_view> names;
  for (const UnknownReason reason : kAllReasons) names.insert(to_string(reason));
  CHECK(names ==
        std::set<std::string_view>{"unverified", "manifest", "key_revoked", "scanning", "deploying", "overdue"});
}

TEST_CASE("a verdict has been what it is since it became that") {
  Snapshot before;
  before.trees = {tree(0, {}), tree(1, {}), tree(0, {UnknownReason::scanning})};
  const std::vector<std::string> names{"a", "b", "c"};
  for (std::size_t i = 0; i < 3; ++i) before.trees[i].name = names[i];
  before.date_verdicts({}, 100);
  for (const TreeSnapshot& one : before.trees) CHECK(one.verdict_since == 100);

  Snapshot after;
  after.trees = {tree(0, {}), tree(2, {}), tree(0, {}), tree(0, {})};
  const std::vector<std::string> later{"a", "b", "c", "d"};
  for (std::size_t i = 0; i < 4; ++i) after.trees[i].name = later[i];
  after.date_verdicts(before, 200);
  CHECK(after.trees[0].verdict_since == 100);
  CHECK(after.trees[1].verdict_since == 100);  // other drift is the same verdict
  CHECK(after.trees[2].verdict_since == 200);
  CHECK(after.trees[3].verdict_since == 200);
}
