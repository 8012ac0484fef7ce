#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "daemon/history_store.hpp"
#include "daemon/state_store.hpp"
#include "tests/unit/support/people.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace fs = std::filesystem;

using driftd::daemon::HistoryStore;
using driftd::daemon::kMostKept;
using driftd::daemon::StateStore;
using driftd::daemon::Transition;
using driftd::manifests::SignedBytes;
using driftd::manifests::VerifiedManifest;
using driftd::test::must;
using driftd::test::people;
using driftd::test::public_keys;
using driftd::test::read_whole;
using driftd::test::release;
using driftd::test::signatures;
using driftd::test::Signers;
using driftd::test::TempTree;
namespace sqlite = driftd::daemon::sqlite;
using Protection = StateStore::Protection;

namespace {

constexpr std::int64_t kNow = 1'763'720'000;
constexpr std::size_t kLimit = 1 << 20;

struct Signed {
  SignedBytes bytes;
  VerifiedManifest manifest;
};

Signed signed_release(std::uint64_t sequence, const Signers& signers = {&people().alice}) {
  const std::string bytes = release("v" + std::to_string(sequence), sequence);
  SignedBytes input{bytes, signatures(signers, bytes)};
  auto manifest = must(VerifiedManifest::verify(input, {public_keys(signers), {}, 1}));
  return {std::move(input), std::move(manifest)};
}

void accept(StateStore& store, const Signed& one, std::int64_t now = kNow,
            const std::optional<Transition>& transition = {}, const std::string& tree = "app") {
  must(store.accept(tree, one.bytes, one.manifest, {now, now}, transition));
}

/// Every file of a directory, with its content.
std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& one : fs::recursive_directory_iterator(directory)) {
    if (one.is_regular_file()) files[one.path()] = read_whole(one.path());
  }
  return files;
}

}  // namespace

TEST_CASE("what is accepted is remembered across restarts") {
  TempTree home;
  const std::string directory = home.at("state");
  const auto first = signed_release(1);
  const auto second = signed_release(2, {&people().alice, &people().bob});
  {
    StateStore store = StateStore::open(directory);
    CHECK(store.protection() == Protection::fresh);
    CHECK(must(store.read("app", "myapp")).kept.empty());
    CHECK(must(store.time_floor()) == 0);
    accept(store, first);
    accept(store, second, kNow + 5, Transition{first.manifest.identity(), kNow + 5});
  }
  StateStore store = StateStore::open(directory);
  CHECK(store.protection() == Protection::ok);
  CHECK(store.problem().empty());
  const auto record = must(store.read("app", "myapp"));
  REQUIRE(record.kept.size() == 2);
  CHECK(record.kept[0].identity == second.manifest.identity());
  CHECK(record.kept[0].release == "v2");
  CHECK(record.kept[0].sequence == 2);
  CHECK(record.kept[0].accepted_at == kNow + 5);
  CHECK(record.kept[1].release == "v1");
  REQUIRE(record.transition);
  CHECK(record.transition->from == first.manifest.identity());
  CHECK(record.transition->since == kNow + 5);
  CHECK_FALSE(record.last_reset);
  REQUIRE(record.ratchet.vouched().size() == 1);
  CHECK(record.ratchet.vouched()[0].sequence == 2);
  CHECK(record.ratchet.vouched()[0].keys == second.manifest.keys());
  CHECK(must(store.time_floor()) == second.manifest.header().created);
  const auto bytes = must(store.read_kept("app", first.manifest.identity(), kLimit));
  CHECK(bytes.bytes.text() == first.bytes.bytes.text());
  CHECK(bytes.signatures == first.bytes.signatures);
  CHECK(must(store.read_kept("app", second.manifest.identity(), kLimit)).signatures.size() == 2);
  must(store.end_transition("app", second.manifest.identity()));
  CHECK(must(store.read("app", "myapp")).transition);
  must(store.end_transition("app", first.manifest.identity()));
  CHECK_FALSE(must(store.read("app", "myapp")).transition);
}

TEST_CASE("trees and products do not get mixed up") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  accept(store, signed_release(7));
  CHECK(must(store.read("app", "other")).ratchet.vouched().empty());
  CHECK(must(store.read("app2", "myapp")).kept.empty());
  accept(store, signed_release(3), kNow, {}, "..");
  CHECK(must(store.read("..", "myapp")).kept[0].sequence == 3);
  CHECK(must(store.read("app", "myapp")).kept[0].sequence == 7);
  CHECK_FALSE(fs::exists(home.at("state") + "/state.manifest"));
}

TEST_CASE("the largest sequence comes back as it went in") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  accept(store, signed_release(~std::uint64_t{0}));
  const auto record = must(store.read("app", "myapp"));
  CHECK(record.kept[0].sequence == ~std::uint64_t{0});
  CHECK(record.ratchet.vouched()[0].sequence == ~std::uint64_t{0});
}

TEST_CASE("the last five are kept, and no file is left of the others") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  home.dirs("state/manifests");
  home.file("state/manifests/app@0123.manifest.XYZ", "left by a crash");
  home.file("state/manifests/app2@0123.manifest", "another tree's");
  for (std::uint64_t sequence = 1; sequence <= 8; ++sequence) accept(store, signed_release(sequence));
  const auto record = must(store.read("app", "myapp"));
  REQUIRE(record.kept.size() == kMostKept);
  CHECK(record.kept.front().sequence == 8);
  CHECK(record.kept.back().sequence == 4);
  std::size_t files = 0;
  for (const auto& one : fs::directory_iterator(home.at("state/manifests"))) {
    CAPTURE(one.path().native());
    CHECK((::chmod(one.path().c_str(), 0600) == 0));
    if (one.path().filename().native().starts_with("app@")) ++files;
  }
  CHECK(files == 2 * kMostKept);
  CHECK(fs::exists(home.at("state/manifests/app2@0123.manifest")));
  for (const auto& kept : record.kept) CHECK(store.read_kept("app", kept.identity, kLimit).has_value());
}

TEST_CASE("a further signature is no further release") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  const auto alone = signed_release(5);
  const auto both = signed_release(5, {&people().alice, &people().bob});
  accept(store, alone, kNow);
  accept(store, both, kNow + 100);
  const auto record = must(store.read("app", "myapp"));
  REQUIRE(record.kept.size() == 1);
  CHECK(record.kept[0].accepted_at == kNow);
  CHECK(record.ratchet.vouched().size() == 1);
  CHECK(must(store.read_kept("app", both.manifest.identity(), kLimit)).signatures.size() == 2);
}

TEST_CASE("reading changes nothing, and needs nothing to be written") {
  TempTree home;
  const std::string directory = home.at("state");
  CHECK_FALSE(StateStore::open_for_reading(directory).has_value());
  CHECK_FALSE(fs::exists(directory));
  {
    StateStore store = StateStore::open(directory);
    accept(store, signed_release(5));
  }
  const auto before = contents(directory);
  {
    auto store = must(StateStore::open_for_reading(directory));
    CHECK(must(store.read("app", "myapp")).kept.size() == 1);
    CHECK_FALSE(store.reset_trust("app", "no", kNow).has_value());
    CHECK_FALSE(store.end_transition("app", {}).has_value());
  }
  CHECK(contents(directory) == before);
  StateStore again = StateStore::open(directory);
  CHECK(must(again.read("app", "nothing")).kept.empty());
  CHECK(contents(directory) == before);
}

namespace {

/// As the first hosts have it.
constexpr const char* kVersion1 = R"(
  PRAGMA application_id = 0x64726674;
  PRAGMA user_version = 1;
  CREATE TABLE vouched(tree TEXT NOT NULL, name TEXT NOT NULL, keys BLOB NOT NULL, sequence INTEGER NOT NULL,
                       identity BLOB NOT NULL, PRIMARY KEY (tree, name, keys)) WITHOUT ROWID;
  CREATE TABLE kept(id INTEGER PRIMARY KEY AUTOINCREMENT, tree TEXT NOT NULL, name TEXT NOT NULL,
                    identity BLOB NOT NULL, sequence INTEGER NOT NULL, release TEXT NOT NULL,
                    accepted_at INTEGER NOT NULL);
  CREATE TABLE transition(tree TEXT PRIMARY KEY, previous BLOB NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE trust_reset(id INTEGER PRIMARY KEY AUTOINCREMENT, tree TEXT NOT NULL, at INTEGER NOT NULL,
                           reason TEXT NOT NULL);
  CREATE TABLE time_floor(id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL);
)";

/// Moves everything into a database of version 1,.
void put_back_to_version_1(const std::string& database) {
  fs::rename(database, database + ".new");
  auto old = must(sqlite::Database::open(database, sqlite::Access::write));
  must(old.execute(kVersion1));
  must(old.execute(("ATTACH '" + database + ".new' AS newer").c_str()));
  for (const char* table : {"vouched", "kept", "transition", "trust_reset", "time_floor"}) {
    must(old.execute(("INSERT INTO " + std::string(table) + " SELECT * FROM newer." + table).c_str()));
  }
  must(old.execute("DETACH newer"));
  fs::remove(database + ".new");
}

std::int64_t schema_version(const std::string& database) {
  auto opened = must(sqlite::Database::open(database, sqlite::Access::read));
  auto statement = opened.prepare("PRAGMA user_version");
  REQUIRE(must(statement.step()));
  return statement.number(0);
}

}  // namespace

TEST_CASE("the first hosts' state goes on counting, and reading it changes nothing") {
  TempTree home;
  const std::string directory = home.at("state");
  const std::string database = directory + "/state.db";
  const auto first = signed_release(1);
  const auto second = signed_release(2);
  {
    StateStore store = StateStore::open(directory);
    accept(store, first);
    must(store.reset_trust("app", "a reason", kNow));
    accept(store, second, kNow + 5, Transition{first.manifest.identity(), kNow + 5});
  }
  put_back_to_version_1(database);
  const auto check_all_is_there = [&](StateStore& store) {
    const auto record = must(store.read("app", "myapp"));
    REQUIRE(record.kept.size() == 2);
    CHECK(record.kept[0].identity == second.manifest.identity());
    CHECK(record.kept[0].accepted_at == kNow + 5);
    REQUIRE(record.transition);
    CHECK(record.transition->from == first.manifest.identity());
    REQUIRE(record.ratchet.vouched().size() == 1);
    CHECK(record.ratchet.vouched()[0].sequence == 2);
    REQUIRE(record.last_reset);
    CHECK(record.last_reset->reason == "a reason");
    CHECK(must(store.time_floor()) == second.manifest.header().created);
    CHECK(must(store.read_kept("app", first.manifest.identity(), kLimit)).bytes.text() == first.bytes.bytes.text());
  };
  const auto before = contents(directory);
  {
    auto store = must(StateStore::open_for_reading(directory));
    check_all_is_there(store);
  }
  CHECK((contents(directory) == before));
  REQUIRE(schema_version(database) == 1);

  SUBCASE("the daemon") {
    StateStore store = StateStore::open(directory);
    CHECK(store.protection() == Protection::ok);
    check_all_is_there(store);
  }
  SUBCASE("a reset") {
    auto store = must(StateStore::open_for_repair(directory));
    check_all_is_there(store);
  }
  CHECK(schema_version(database) == 4);
  auto reader = must(StateStore::open_for_reading(directory));
  check_all_is_there(reader);
}

TEST_CASE("an empty database, as a full disk leaves it, is told as such, and filled at the next start") {
  TempTree home;
  const std::string directory = home.at("state");
  fs::create_directory(directory);
  std::ofstream(directory + "/state.db").close();
  const auto reader = StateStore::open_for_reading(directory);
  REQUIRE_FALSE(reader.has_value());
  CHECK(reader.error().message ==
        directory + "/state.db: empty; was the disk full when it was made? Make room and restart driftd");
  CHECK(StateStore::open(directory).protection() == Protection::fresh);
  CHECK(StateStore::open_for_reading(directory).has_value());
}

TEST_CASE("state of version 1 that has no room to grow still protects, and grows when it can") {
  TempTree home;
  const std::string directory = home.at("state");
  const std::string database = directory + "/state.db";
  {
    StateStore store = StateStore::open(directory);
    accept(store, signed_release(7));
  }
  put_back_to_version_1(database);
  auto other = must(sqlite::Database::open(database, sqlite::Access::write));
  must(other.execute("BEGIN IMMEDIATE"));
  StateStore store = StateStore::open(directory);
  CHECK(store.protection() == Protection::ok);
  CHECK(must(store.read("app", "myapp")).kept.size() == 1);
  HistoryStore history(store);
  CHECK_FALSE(history.recall("app").has_value());
  must(other.execute("COMMIT"));
  REQUIRE(schema_version(database) == 1);
  must(history.write("app", {}));
  CHECK(schema_version(database) == 4);
  CHECK(must(history.recall("app")).open.empty());
}

TEST_CASE("the history of hosts from before evidence is kept, and has room for it") {
  TempTree home;
  const std::string directory = home.at("state");
  const std::string database = directory + "/state.db";
  { StateStore store = StateStore::open(directory); }
  {
    auto old = must(sqlite::Database::open(database, sqlite::Access::write));
    must(old.execute(R"(
      DROP TABLE touch;
      ALTER TABLE drift DROP COLUMN evidence;
      PRAGMA user_version = 2;
      INSERT INTO drift(tree, path, kind, changes, opened_at) VALUES ('app', x'61', 'modified', 'content', 5);
    )"));
  }
  {
    auto reader = must(StateStore::open_for_reading(directory));
    HistoryStore history(reader);
    CHECK(must(history.evidence("app")).empty());
    CHECK(must(history.recall("app")).open.size() == 1);
  }
  REQUIRE(schema_version(database) == 2);
  StateStore store = StateStore::open(directory);
  REQUIRE(schema_version(database) == 4);
  HistoryStore history(store);
  driftd::daemon::HistoryBatch batch;
  driftd::scanner::Evidence who;
  who.name = "vim";
  batch.attributed.emplace_back(
      "a", std::make_shared<const driftd::scanner::PathEvidence>(
               driftd::scanner::PathEvidence{std::make_shared<const driftd::scanner::Evidence>(who), 7, false}));
  must(history.write("app", batch));
  const auto recalled = must(history.recall("app"));
  REQUIRE(recalled.open.at("a").evidence);
  CHECK(recalled.open.at("a").evidence->last->name == "vim");
  CHECK(recalled.open.at("a").first_seen == 5);
}

TEST_CASE("state that cannot be used is lost, loudly, and goes on in memory") {
  TempTree home;
  const std::string directory = home.at("state");
  { StateStore store = StateStore::open(directory); }
  const std::string database = directory + "/state.db";
  SUBCASE("garbage") { home.file("state/state.db", std::string(8192, 'x')); }
  SUBCASE("cut off") { REQUIRE(::truncate(database.c_str(), 5000) == 0); }
  SUBCASE("bits flipped") {
    std::string bytes = read_whole(database);
    for (std::size_t at = 4096; at < bytes.size(); at += 7) bytes[at] = static_cast<char>(~bytes[at]);
    home.file("state/state.db", bytes);
  }
  SUBCASE("somebody else's database") {
    fs::remove(database);
    auto other = must(driftd::daemon::sqlite::Database::open(database, driftd::daemon::sqlite::Access::write));
    must(other.execute("CREATE TABLE t(x)"));
  }
  SUBCASE("a later version's") {
    auto other = must(driftd::daemon::sqlite::Database::open(database, driftd::daemon::sqlite::Access::write));
    must(other.execute("PRAGMA user_version = 99"));
  }
  SUBCASE("a link") {
    fs::rename(database, home.at("elsewhere.db"));
    home.link("state/state.db", home.at("elsewhere.db"));
  }
  SUBCASE("others may write to the directory") { home.mode("state", 0777); }
  SUBCASE("a file in the directory's place") {
    home.remove("state");
    home.file("state", "");
  }
  StateStore store = StateStore::open(directory);
  CHECK(store.protection() == Protection::lost);
  CHECK_FALSE(store.problem().empty());
  CHECK_FALSE(StateStore::open_for_reading(directory).has_value());
  accept(store, signed_release(9));
  CHECK(must(store.read("app", "myapp")).ratchet.vouched()[0].sequence == 9);
}

TEST_CASE("a reset forgets the ratchet, keeps the rest, and is remembered") {
  TempTree home;
  const std::string directory = home.at("state");
  StateStore store = StateStore::open(directory);
  accept(store, signed_release(9));
  accept(store, signed_release(9), kNow, {}, "other");
  const auto version = store.version();
  {
    auto tool = must(StateStore::open_for_repair(directory));
    must(tool.reset_trust("app", "v8 was signed by mistake", kNow + 1));
  }
  CHECK(store.version() != version);
  const auto record = must(store.read("app", "myapp"));
  CHECK(record.ratchet.vouched().empty());
  CHECK(record.kept.size() == 1);
  REQUIRE(record.last_reset);
  CHECK(record.last_reset->at == kNow + 1);
  CHECK(record.last_reset->reason == "v8 was signed by mistake");
  CHECK(must(store.read("other", "myapp")).ratchet.vouched().size() == 1);
}

TEST_CASE("a repair leaves alone what is merely busy or out of reach") {
  TempTree home;
  const std::string directory = home.at("state");
  {
    StateStore store = StateStore::open(directory);
    accept(store, signed_release(9));
  }
  const auto before = contents(directory);
  {
    namespace sqlite = driftd::daemon::sqlite;
    auto other = must(sqlite::Database::open(directory + "/state.db", sqlite::Access::write));
    must(other.execute("BEGIN EXCLUSIVE"));
    CHECK_FALSE(StateStore::open_for_repair(directory).has_value());
  }
  home.mode("state", 0777);
  CHECK_FALSE(StateStore::open_for_repair(directory).has_value());
  home.mode("state", 0755);
  CHECK((contents(directory) == before));
  CHECK(must(must(StateStore::open_for_repair(directory)).read("app", "myapp")).kept.size() == 1);
}

TEST_CASE("every signature is kept, whoever made it and however often") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  const auto good = signed_release(5, {&people().alice, &people().bob});
  SignedBytes bytes = good.bytes;
  bytes.signatures.insert(bytes.signatures.begin(), people().bob.sign("something else", "stale"));
  bytes.signatures.push_back("no signature at all");
  must(store.accept("app", bytes, good.manifest, {kNow, kNow}, {}));
  const auto kept = must(store.read_kept("app", good.manifest.identity(), kLimit));
  CHECK(std::set(kept.signatures.begin(), kept.signatures.end()) ==
        std::set(bytes.signatures.begin(), bytes.signatures.end()));
  CHECK(VerifiedManifest::verify(kept, {public_keys({&people().alice, &people().bob}), {}, 2}).has_value());
}

TEST_CASE("the time floor follows what was signed, but never runs ahead of the clock") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  const auto one = signed_release(1);
  const std::int64_t created = one.manifest.header().created;
  must(store.accept("app", one.bytes, one.manifest, {created - 100, created - 100}, {}));
  CHECK(must(store.time_floor()) == created - 100);
  must(store.accept("app", one.bytes, one.manifest, {created + 100, created + 100}, {}));
  CHECK(must(store.time_floor()) == created);
}

TEST_CASE("a database that was taken away or replaced is not gone on with") {
  TempTree home;
  StateStore store = StateStore::open(home.at("state"));
  accept(store, signed_release(9));
  const auto version = store.version();
  SUBCASE("removed") { home.remove("state/state.db"); }
  SUBCASE("replaced") {
    home.remove("state");
    StateStore other = StateStore::open(home.at("state"));
  }
  CHECK(store.version() != version);
  CHECK_FALSE(store.read("app", "myapp").has_value());
}

TEST_CASE("a repair puts what is damaged aside, and nothing else") {
  TempTree home;
  home.dirs("state");
  home.file("state/state.db", "not a database at all, whatever it was");
  auto store = must(StateStore::open_for_repair(home.at("state")));
  CHECK(store.protection() == Protection::fresh);
  std::size_t aside = 0;
  for (const auto& one : fs::directory_iterator(home.at("state"))) {
    if (one.path().filename().native().starts_with("state.db.damaged-")) ++aside;
  }
  CHECK(aside == 1);
  CHECK(StateStore::open(home.at("state")).protection() == Protection::ok);
}
