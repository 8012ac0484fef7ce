#include "daemon/sqlite.hpp"

#include <sqlite3.h>

#include "manifests/escape.hpp"

namespace driftd::daemon::sqlite {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

/// Another process holds its lock for the time of one small write.
constexpr int kBusyMilliseconds = 500;

Error failure(const std::string& path, int code, std::string_view what) {
  const int primary = code & 0xff;  // of an extended code
  const bool is_damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  return {is_damaged ? ErrorCode::format : ErrorCode::io, manifests::escape(path) + ": " + std::string(what)};
}

Error failure(const std::string& path, sqlite3* database, int code) {
  // Nobody writes through a connection for reading, unless a journal has to be played back first.
  if ((code & 0xff) == SQLITE_READONLY && ::sqlite3_db_readonly(database, "main") == 1) {
    return {ErrorCode::io, manifests::escape(path) +
                               ": the daemon was ended in the midst of a change; start it, and it will undo that"};
  }
  return failure(path, code, ::sqlite3_errstr(code));
}

Error failure(const std::string& path, sqlite3* database) {
  const int code = ::sqlite3_errcode(database);
  if ((code & 0xff) == SQLITE_READONLY) return failure(path, database, code);
  return failure(path, code, ::sqlite3_errmsg(database));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }

Statement& Statement::bind(std::string_view text) {
  const int code = ::sqlite3_bind_text(statement_.get(), ++bound_, text.data(), static_cast<int>(text.size()),
                                       SQLITE_TRANSIENT);  // NOLINT: SQLite's own cast
  if (code != SQLITE_OK) failure_ = code;
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  if (const int code = ::sqlite3_bind_int64(statement_.get(), ++bound_, number); code != SQLITE_OK) failure_ = code;
  return *this;
}

Statement& Statement::bind(Blob bytes) {
  const int code = ::sqlite3_bind_blob(statement_.get(), ++bound_, bytes.data(), static_cast<int>(bytes.size()),
                                       SQLITE_TRANSIENT);  // NOLINT: SQLite's own cast
  if (code != SQLITE_OK) failure_ = code;
  return *this;
}

Result<bool> Statement::step() {
  if (failure_ != 0) return failure(path_, database_, failure_);
  switch (::sqlite3_step(statement_.get())) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return failure(path_, database_);
  }
}

Result<void> Statement::run() {
  const auto stepped = step();
  if (!stepped) return stepped.error();
  return {};
}

bool Statement::is_null(int column) const { return ::sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

std::int64_t Statement::number(int column) const { return ::sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const Blob bytes = blob(column);
  return {bytes.begin(), bytes.end()};
}

Blob Statement::blob(int column) const {
  const auto* bytes = static_cast<const unsigned char*>(::sqlite3_column_blob(statement_.get(), column));
  return {bytes, static_cast<std::size_t>(::sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* database) const { ::sqlite3_close_v2(database); }

Result<Database> Database::open(const std::string& path, Access access) {
  Database database(path);
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                    (access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  const int code = ::sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database.database_.reset(handle);  // to be closed after a failure, too
  if (code != SQLITE_OK) return failure(path, code, handle != nullptr ? ::sqlite3_errmsg(handle) : "out of memory");
  ::sqlite3_busy_timeout(handle, kBusyMilliseconds);
  // What stands in the file must not run, whoever wrote it.
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

Result<void> Database::execute(const char* sql) {
  if (::sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return failure(path_, database_.get());
  }
  return {};
}

Statement Database::prepare(std::string_view sql) {
  Statement statement(database_.get(), path_);
  sqlite3_stmt* handle = nullptr;
  statement.failure_ =
      ::sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &handle, nullptr);
  statement.statement_.reset(handle);
  return statement;
}

Result<Transaction> Transaction::begin(Database& database) {
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun.error();
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;
  return committed;
}

}  // namespace driftd::daemon::sqlite
