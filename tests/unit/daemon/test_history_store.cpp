#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/history_store.hpp"
#include "tests/unit/support/people.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::daemon::DriftRecord;
using driftd::daemon::Ending;
using driftd::daemon::HistoryBatch;
using driftd::daemon::HistoryStore;
using driftd::daemon::StateStore;
using driftd::manifests::minisign::Prehash;
using driftd::scanner::Change;
using driftd::scanner::Changes;
using driftd::scanner::DriftKind;
using driftd::scanner::Notice;
using driftd::test::must;
using driftd::test::TempTree;
namespace sqlite = driftd::daemon::sqlite;

namespace {

constexpr std::int64_t kNow = 1'763'720'000;

HistoryBatch opened(const std::vector<std::string>& paths, std::int64_t at = kNow) {
  HistoryBatch batch;
  batch.at = at;
  batch.open = paths.size();
  Changes changes;
  changes.add(Change::content);
  changes.add(Change::size);
  for (const std::string& path : paths) batch.opened.push_back({path, DriftKind::modified, changes, at});
  return batch;
}

HistoryBatch ended(const std::vector<std::string>& paths, Ending ending, std::int64_t at) {
  HistoryBatch batch;
  batch.at = at;
  for (const std::string& path : paths) batch.ended.emplace_back(path, ending);
  return batch;
}

std::vector<std::string> many(std::size_t count, const std::string& prefix = "p") {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < count; ++i) paths.push_back(prefix + std::to_string(i));
  return paths;
}

std::set<std::string> open_paths(HistoryStore& history, const std::string& tree = "app") {
  std::set<std::string> paths;
  for (const auto& [path, open] : must(history.recall(tree)).open) paths.insert(path);
  return paths;
}

std::map<std::string, DriftRecord> by_path(HistoryStore& history) {
  std::map<std::string, DriftRecord> records;
  for (const auto& record : must(history.latest("app", 100'000)).records) records[record.path] = record;
  return records;
}

using Paths = std::set<std::string>;

}  // namespace

TEST_CASE("drift comes and goes, and a restart recalls what is open") {
  TempTree home;
  const std::string odd("bad\xff\n\0name", 10);
  Prehash identity{};
  identity[0] = 7;
  {
    StateStore state = StateStore::open(home.at("state"));
    HistoryStore history(state);
    CHECK(must(history.latest("app", 10)).records.empty());
    CHECK(must(history.recall("app")).open.empty());
    auto first = opened({"a", "b", odd});
    first.judged_by = identity;
    must(history.write("app", first));
    must(history.write("other", opened({"a"}, kNow + 1)));
    auto second = ended({"a"}, Ending::deployed, kNow + 5);
    second.notified = {"b", "a", "never seen"};
    second.open = 2;
    second.judged_by = identity;
    must(history.write("app", second));
  }
  StateStore state = StateStore::open(home.at("state"));
  CHECK(state.protection() == StateStore::Protection::ok);
  HistoryStore history(state);
  const auto recalled = must(history.recall("app"));
  CHECK(open_paths(history) == Paths{"b", odd});
  CHECK(recalled.open.at(odd).first_seen == kNow);
  CHECK(recalled.open.at("b").finding.kind == DriftKind::modified);
  CHECK(recalled.open.at("b").notice.state == Notice::State::told);
  CHECK(recalled.open.at(odd).notice.state == Notice::State::none);
  CHECK(recalled.judged_by == identity);
  CHECK_FALSE(must(history.recall("other")).judged_by);

  const auto latest = must(history.latest("app", 10));
  CHECK(latest.open == 2);
  REQUIRE(latest.records.size() == 3);
  CHECK(latest.records[0].path == odd);
  const DriftRecord& record = latest.records[2];
  CHECK(record.path == "a");
  CHECK(record.kind == "modified");
  CHECK(record.changes == "content,size");
  CHECK(record.opened_at == kNow);
  CHECK_FALSE(record.notified_at);
  CHECK(record.ended_at == kNow + 5);
  CHECK(record.ending == Ending::deployed);
  CHECK(latest.records[1].notified_at == kNow + 5);
  CHECK_FALSE(latest.records[1].ended_at);
  CHECK(must(history.latest("app", 1)).records.size() == 1);
  CHECK(must(history.latest("other", 10)).records.size() == 1);
}

TEST_CASE("the same path can drift again, and one record of it at most is open") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  must(history.write("app", opened({"a"}, kNow)));
  must(history.write("app", opened({"a"}, kNow + 1)));
  CHECK(must(history.recall("app")).open.at("a").first_seen == kNow);
  must(history.write("app", ended({"a"}, Ending::resolved, kNow + 2)));
  must(history.write("app", ended({"a"}, Ending::deployed, kNow + 3)));
  must(history.write("app", opened({"a"}, kNow + 4)));
  const auto records = must(history.latest("app", 10)).records;
  REQUIRE(records.size() == 2);
  CHECK(records[0].opened_at == kNow + 4);
  CHECK(records[1].ended_at == kNow + 2);
  CHECK(records[1].ending == Ending::resolved);
}

TEST_CASE("what went unrecorded is put right") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  must(history.write("app", opened({"gone", "still", "unseen"}, kNow)));
  must(history.write("other", opened({"untouched"}, kNow)));
  auto all = opened({"still", "new"}, kNow + 50);
  all.only_open = {"still", "new", "unseen"};
  all.notified = {"new"};
  all.at = kNow + 100;
  must(history.write("app", all));
  const auto records = by_path(history);
  CHECK(open_paths(history) == Paths{"new", "still", "unseen"});
  CHECK(records.at("gone").ended_at == kNow + 100);
  CHECK(records.at("gone").ending == Ending::resolved);
  CHECK(records.at("still").opened_at == kNow);
  CHECK(records.at("new").opened_at == kNow + 50);
  CHECK(records.at("new").notified_at == kNow + 100);
  CHECK(open_paths(history, "other") == Paths{"untouched"});
}

TEST_CASE("beyond the bound drift is counted, not listed") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  const auto paths = many(HistoryStore::kMostOpen + 100);
  must(history.write("app", opened(paths)));
  CHECK(open_paths(history).size() == HistoryStore::kMostOpen);
  CHECK(must(history.latest("app", 1)).open == paths.size());
  must(history.write("app", ended(paths, Ending::deployed, kNow + 1)));
  CHECK(open_paths(history).empty());
  CHECK(must(history.latest("app", 100'000)).records.size() == HistoryStore::kMostEnded);
  // The latest are kept.
  must(history.write("app", opened({"last"}, kNow + 2)));
  must(history.write("app", ended({"last"}, Ending::resolved, kNow + 3)));
  const auto records = must(history.latest("app", 100'000)).records;
  CHECK(records.size() == HistoryStore::kMostEnded);
  CHECK(records.front().path == "last");
}

TEST_CASE("what is old goes; what is open of a tree that is checked stays") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  must(history.write("app", opened({"a", "b", "c"}, kNow)));
  must(history.write("app", ended({"a"}, Ending::resolved, kNow + 1)));
  must(history.write("app", ended({"b"}, Ending::resolved, kNow + 10)));
  must(history.write("gone", opened({"x"}, kNow)));
  must(history.drop_old({"app"}, kNow + HistoryStore::kKeepSeconds));
  CHECK(by_path(history).size() == 3);
  CHECK(open_paths(history, "gone") == Paths{"x"});
  must(history.drop_old({"app"}, kNow + HistoryStore::kKeepSeconds + 5));
  CHECK(by_path(history).size() == 2);
  CHECK(open_paths(history) == Paths{"c"});
  CHECK(open_paths(history, "gone").empty());
}

TEST_CASE("a write that fails changes nothing, and says why") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  must(history.write("app", opened({"a"})));
  SUBCASE("locked") {
    auto other = must(sqlite::Database::open(home.at("state/state.db"), sqlite::Access::write));
    must(other.execute("BEGIN EXCLUSIVE"));
    CHECK_FALSE(history.write("app", ended({"a"}, Ending::resolved, kNow)).has_value());
    CHECK_FALSE(history.recall("app").has_value());
  }
  SUBCASE("in its midst") {
    must(
        state.database().execute("CREATE TEMP TRIGGER stop BEFORE INSERT ON drift WHEN new.path = x'63' "
                                 "BEGIN SELECT RAISE(FAIL, 'full'); END"));
    auto batch = opened({"b", "c"});
    batch.ended = {{"a", Ending::resolved}};
    CHECK_FALSE(history.write("app", batch).has_value());
    must(state.database().execute("DROP TRIGGER stop"));
  }
  CHECK(open_paths(history) == Paths{"a"});
  CHECK(by_path(history).size() == 1);
  SUBCASE("replaced") {
    home.remove("state");
    StateStore other = StateStore::open(home.at("state"));
    CHECK_FALSE(history.write("app", opened({"b"})).has_value());
    CHECK_FALSE(history.recall("app").has_value());
  }
}

TEST_CASE("state that is lost has a history as long as it lasts") {
  TempTree home;
  home.dirs("state");
  home.file("state/state.db", "no database");
  StateStore state = StateStore::open(home.at("state"));
  REQUIRE(state.protection() == StateStore::Protection::lost);
  HistoryStore history(state);
  must(history.write("app", opened({"a"})));
  CHECK(open_paths(history) == Paths{"a"});
}

TEST_CASE("who made drift is kept with it, as it was last known") {
  TempTree home;
  const auto by = [](int pid) {
    driftd::scanner::Evidence who;
    who.pid = pid;
    who.name = "vi\xff\n";
    return std::make_shared<const driftd::scanner::PathEvidence>(driftd::scanner::PathEvidence{
        std::make_shared<const driftd::scanner::Evidence>(std::move(who)), kNow, pid > 1});
  };
  {
    StateStore state = StateStore::open(home.at("state"));
    HistoryStore history(state);
    auto first = opened({"a", "b", "c"});
    first.opened[0].evidence = by(1);
    first.opened[1].evidence = by(1);
    must(history.write("app", first));
    HistoryBatch later;
    later.attributed = {{"b", by(2)}, {"a", nullptr}, {"not open", by(3)}};
    must(history.write("app", later));
  }
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  const auto recalled = must(history.recall("app")).open;
  CHECK_FALSE(recalled.at("a").evidence);
  CHECK_FALSE(recalled.at("c").evidence);
  REQUIRE(recalled.at("b").evidence);
  CHECK(recalled.at("b").evidence->last->pid == 2);
  CHECK(recalled.at("b").evidence->last->name == "vi\xff\n");
  CHECK(recalled.at("b").evidence->several);
  CHECK(must(history.evidence("app")).size() == 1);
  CHECK(must(history.evidence("other")).empty());
  must(history.write("app", ended({"b"}, Ending::resolved, kNow + 1)));
  CHECK(must(history.evidence("app")).empty());
  REQUIRE(by_path(history).at("b").evidence);
  CHECK(by_path(history).at("b").evidence->last->pid == 2);
}

TEST_CASE("evidence that is damaged is none") {
  TempTree home;
  StateStore state = StateStore::open(home.at("state"));
  HistoryStore history(state);
  must(history.write("app", opened({"a"})));
  for (const char* bytes : {"'x'", "'[]'", "'{}'", "'{\"at\": -1}'", "'{\"at\": 253402300800}'", "5", "x'ff'"}) {
    CAPTURE(bytes);
    must(state.database().execute(("UPDATE drift SET evidence = " + std::string(bytes)).c_str()));
    CHECK(must(history.evidence("app")).empty());
    CHECK(must(history.recall("app")).open.size() == 1);
  }
}
