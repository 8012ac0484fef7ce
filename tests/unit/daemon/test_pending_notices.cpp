#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/pending_notices.hpp"

using driftd::daemon::PendingNotices;
using driftd::scanner::Notice;
using driftd::scanner::OpenDrift;
using namespace std::chrono_literals;

using Paths = std::vector<std::string>;

namespace {

/// Some drift, and what is to be told of it.
struct Drift {
  std::map<std::string, OpenDrift> open;
  PendingNotices notices;

  explicit Drift(std::chrono::seconds delay) : notices(delay) {}

  void opened(const std::string& path, PendingNotices::Time since) {
    OpenDrift& drift = open[path];
    drift.finding.path = path;
    notices.opened(drift, since);
  }
  Paths due(PendingNotices::Time now) {
    Paths paths;
    for (const OpenDrift* one : notices.take_due(open, now)) paths.push_back(one->finding.path);
    return paths;
  }
};

}  // namespace

TEST_CASE("somebody is told of what stays, once it has stayed") {
  Drift drift(60s);
  CHECK_FALSE(drift.notices.next());
  drift.opened("b", 10s);
  drift.opened("a", 10s);
  drift.opened("later", 30s);
  CHECK(drift.due(10s).empty());
  CHECK(drift.notices.next() == 70s);
  CHECK(drift.due(70s - 1ns).empty());
  SUBCASE("once") {
    CHECK(drift.due(70s) == Paths{"a", "b"});
    CHECK(drift.notices.next() == 90s);
    CHECK(drift.due(80s).empty());
    drift.opened("a", 80s);
    CHECK(drift.due(1000s) == Paths{"later"});
    CHECK_FALSE(drift.notices.next());
  }
  SUBCASE("not of what ended before, and anew of what comes back") {
    drift.open.erase("a");
    CHECK(drift.due(70s) == Paths{"b"});
    drift.opened("a", 75s);
    CHECK(drift.due(134s) == Paths{"later"});
    CHECK(drift.due(135s) == Paths{"a"});
  }
  SUBCASE("the oldest first") { CHECK(drift.due(500s) == Paths{"a", "b", "later"}); }
  SUBCASE("what is outdated stays due until it has been looked at") {
    drift.open.at("a").outdated = true;
    drift.open.at("later").outdated = true;
    CHECK(drift.due(70s) == Paths{"b"});
    CHECK(drift.notices.next() == 90s);
    CHECK(drift.due(95s).empty());
    CHECK_FALSE(drift.notices.next());
    drift.open.at("later").outdated = false;
    CHECK(drift.due(96s) == Paths{"later"});
    drift.open.at("a").outdated = false;
    CHECK(drift.due(97s) == Paths{"a"});
    CHECK(drift.due(98s).empty());
  }
}

TEST_CASE("what somebody was told of before is not told again, until it has ended") {
  Drift drift(60s);
  drift.open["a"].notice.state = Notice::State::told;
  drift.opened("a", 0s);
  CHECK(drift.due(100s).empty());
  drift.open.erase("a");
  drift.opened("a", 100s);
  CHECK(drift.due(160s) == Paths{"a"});
}

TEST_CASE("what was waiting, was recalled and is seen again is due when it was") {
  Drift drift(60s);
  drift.opened("a", 0s);
  std::map<std::string, OpenDrift> recalled;
  recalled.swap(drift.open);
  CHECK(drift.due(60s).empty());
  CHECK_FALSE(drift.notices.next());
  recalled.swap(drift.open);
  drift.opened("a", 55s);
  CHECK(drift.due(61s) == Paths{"a"});
}

TEST_CASE("without a delay it is due at once; from before the boot, too") {
  Drift at_once(0s);
  at_once.opened("a", 5s);
  CHECK(at_once.due(5s) == Paths{"a"});
  Drift patient(60s);
  patient.opened("old", -1h);
  CHECK(patient.due(0s) == Paths{"old"});
}

TEST_CASE("any sequence of events leaves what a plain model leaves") {
  std::mt19937 random(20261122);
  const auto below = [&](int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random); };
  for (int round = 0; round < 200; ++round) {
    Drift drift(7s);
    std::map<std::string, std::optional<PendingNotices::Time>> model;  // due; absent: told
    PendingNotices::Time now = 0s;
    for (int step = 0; step < 40; ++step) {
      now += std::chrono::seconds(below(4));
      const std::string path(1, static_cast<char>('a' + below(5)));
      switch (below(4)) {
        case 0:
        case 1:
          drift.opened(path, now);
          model.try_emplace(path, now + 7s);
          break;
        case 2:
          if (const auto at = drift.open.find(path); at != drift.open.end()) at->second.outdated = below(2) == 0;
          break;
        default:
          drift.open.erase(path);
          model.erase(path);
          break;
      }
      std::vector<std::pair<PendingNotices::Time, std::string>> due;
      std::optional<PendingNotices::Time> next;
      for (auto& [known, at] : model) {
        if (at && *at > now && (!next || *at < *next)) next = at;
        if (!at || *at > now || drift.open.at(known).outdated) continue;
        due.emplace_back(*at, known);
        at.reset();
      }
      std::sort(due.begin(), due.end());
      Paths paths;
      for (const auto& [at, known] : due) paths.push_back(known);
      CHECK(drift.due(now) == paths);
      // Of what has ended meanwhile it may be too early, which costs a look, but never in the past.
      if (next) CHECK((drift.notices.next() && *drift.notices.next() <= *next));
      if (drift.notices.next()) CHECK(*drift.notices.next() > now);
    }
  }
}
