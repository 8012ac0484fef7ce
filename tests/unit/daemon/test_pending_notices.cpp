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
using namespace std::chrono_literals;

using Paths = std::vector<std::string>;

TEST_CASE("somebody is told of what stays, once it has stayed") {
  PendingNotices notices(60s);
  CHECK_FALSE(notices.next_after(0s));
  notices.opened("b", 10s);
  notices.opened("a", 10s);
  notices.opened("later", 30s);
  CHECK(notices.next_after(10s) == 70s);
  CHECK(notices.due(70s - 1ns).empty());
  CHECK(notices.due(70s) == Paths{"a", "b"});
  CHECK(notices.next_after(70s) == 90s);
  SUBCASE("once") {
    notices.told("a");
    notices.told("b");
    CHECK(notices.was_told("a"));
    CHECK(notices.due(80s).empty());
    notices.opened("a", 80s);
    CHECK(notices.due(1000s) == Paths{"later"});
  }
  SUBCASE("not of what ended before, and anew of what comes back") {
    notices.ended("a");
    CHECK(notices.due(70s) == Paths{"b"});
    notices.opened("a", 75s);
    CHECK(notices.due(134s) == Paths{"b", "later"});
    CHECK(notices.due(135s) == Paths{"b", "later", "a"});
  }
  SUBCASE("it stays due until somebody was told") {
    CHECK(notices.due(500s) == Paths{"a", "b", "later"});
    CHECK_FALSE(notices.next_after(500s));
  }
}

TEST_CASE("what somebody was told of before is not told again, until it has ended") {
  PendingNotices notices(60s);
  notices.told("a");
  notices.opened("a", 0s);
  CHECK(notices.due(100s).empty());
  notices.ended("a");
  CHECK_FALSE(notices.was_told("a"));
  notices.opened("a", 100s);
  CHECK(notices.due(160s) == Paths{"a"});
}

TEST_CASE("without a delay it is due at once; from before the boot, too") {
  PendingNotices at_once(0s);
  at_once.opened("a", 5s);
  CHECK(at_once.due(5s) == Paths{"a"});
  PendingNotices patient(60s);
  patient.opened("old", -1h);
  CHECK(patient.due(0s) == Paths{"old"});
}

TEST_CASE("any sequence of events leaves what a plain model leaves") {
  std::mt19937 random(20261122);
  const auto below = [&](int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random); };
  for (int round = 0; round < 200; ++round) {
    PendingNotices notices(7s);
    std::map<std::string, std::optional<PendingNotices::Time>> model;  // due; absent: told
    PendingNotices::Time now = 0s;
    for (int step = 0; step < 40; ++step) {
      now += std::chrono::seconds(below(4));
      const std::string path(1, static_cast<char>('a' + below(5)));
      switch (below(3)) {
        case 0:
          notices.opened(path, now);
          model.try_emplace(path, now + 7s);
          break;
        case 1:
          notices.told(path);
          model[path] = std::nullopt;
          break;
        default:
          notices.ended(path);
          model.erase(path);
          break;
      }
      std::vector<std::pair<PendingNotices::Time, std::string>> due;
      std::optional<PendingNotices::Time> next;
      for (const auto& [known, at] : model) {
        CHECK(notices.was_told(known) == !at.has_value());
        if (at && *at <= now) due.emplace_back(*at, known);
        if (at && *at > now && (!next || *at < *next)) next = at;
      }
      std::sort(due.begin(), due.end());
      Paths paths;
      for (const auto& [at, known] : due) paths.push_back(known);
      CHECK(notices.due(now) == paths);
      CHECK(notices.next_after(now) == next);
    }
  }
}
