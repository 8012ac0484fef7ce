#include "daemon/state_schema.hpp"

#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;
using sqlite::Database;

/// "drft", so that file(1) and we know the file.
constexpr std::int64_t kApplicationId = 0x64726674;

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

/// Paths are bytes. One record at most of a path is open.
constexpr const char* kFrom1To2 = R"(
  PRAGMA user_version = 2;
  CREATE TABLE drift(id INTEGER PRIMARY KEY AUTOINCREMENT, tree TEXT NOT NULL, path BLOB NOT NULL, kind TEXT NOT NULL,
                     changes TEXT NOT NULL, opened_at INTEGER NOT NULL, notified_at INTEGER, ended_at INTEGER,
                     ending TEXT CHECK (ending IN ('resolved', 'deployed')),
                     CHECK ((ended_at IS NULL) = (ending IS NULL)));
  CREATE UNIQUE INDEX drift_open ON drift(tree, path) WHERE ended_at IS NULL;
  CREATE INDEX drift_tree ON drift(tree, id);
  CREATE TABLE drift_tree_state(tree TEXT PRIMARY KEY, open INTEGER NOT NULL, judged_by BLOB) WITHOUT ROWID;
)";

/// Who made it, as of stored_evidence(); NULL: unknown.
constexpr const char* kFrom2To3 = R"(
  PRAGMA user_version = 3;
  ALTER TABLE drift ADD COLUMN evidence BLOB;
)";

constexpr const char* kFrom3To4 = R"(
  PRAGMA user_version = 4;
  CREATE TABLE touch(id INTEGER PRIMARY KEY AUTOINCREMENT, tree TEXT NOT NULL, path BLOB NOT NULL, at INTEGER NOT NULL,
                     identity BLOB NOT NULL, evidence BLOB NOT NULL, UNIQUE (tree, path));
)";

constexpr std::int64_t kLatest = kSchemaWithTouches;

}  // namespace

Result<std::int64_t> read_pragma(Database& database, const std::string& name) {
  auto statement = database.prepare("PRAGMA " + name);
  const auto row = statement.step();
  if (!row) return row.error();
  return *row ? statement.number(0) : 0;
}

Result<void> create_schema(Database& database) {
  auto transaction = sqlite::Transaction::begin(database);
  if (!transaction) return transaction.error();
  for (const char* step : {kVersion1, kFrom1To2, kFrom2To3, kFrom3To4}) {
    if (auto made = database.execute(step); !made) return made;
  }
  return transaction->commit();
}

Result<void> check_schema(Database& database) {
  const std::string path = manifests::escape(database.path());
  const auto pages = read_pragma(database, "page_count");
  if (!pages) return pages.error();
  if (*pages == 0) {
    return Error{ErrorCode::io, path + ": empty; was the disk full when it was made? Make room and restart driftd"};
  }
  // Not the history: trust must not depend on it.
  for (const char* table : {"vouched", "kept", "transition", "trust_reset", "time_floor"}) {
    auto integrity = database.prepare(std::string("PRAGMA integrity_check('") + table + "')");
    const auto row = integrity.step();
    if (!row) return row.error();
    if (!*row || integrity.text(0) != "ok") return Error{ErrorCode::format, path + ": the database is damaged"};
  }
  const auto application = read_pragma(database, "application_id");
  if (!application) return application.error();
  if (*application != kApplicationId) return Error{ErrorCode::format, path + ": not driftd's state"};
  const auto version = read_pragma(database, "user_version");
  if (!version) return version.error();
  if (*version < 1 || *version > kLatest) {
    return Error{ErrorCode::io, path + ": made by another version of driftd (" + std::to_string(*version) + ")"};
  }
  return {};
}

Result<void> upgrade_schema(Database& database) {
  const auto known = read_pragma(database, "user_version");
  if (!known) return known.error();
  if (*known == kLatest) return {};
  auto transaction = sqlite::Transaction::begin(database);
  if (!transaction) return transaction.error();
  // Another process may have been faster.
  const auto version = read_pragma(database, "user_version");
  if (!version) return version.error();
  if (*version == 1) {
    if (auto made = database.execute(kFrom1To2); !made) return made;
  }
  if (*version <= 2) {
    if (auto made = database.execute(kFrom2To3); !made) return made;
  }
  if (*version <= 3) {
    if (auto made = database.execute(kFrom3To4); !made) return made;
  }
  return transaction->commit();
}

}  // namespace driftd::daemon
