#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "manifests/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

/// As much of SQLite as the state needs, with Results for error codes: `format` where the file is damaged or no
/// database, `io` for all else. Not thread-safe.
namespace driftd::daemon::sqlite {

using Blob = std::span<const unsigned char>;

/// The text's own bytes, which need not be UTF-8. It outlives the result.
inline Blob blob_of(const std::string& text) {
  return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};  // NOLINT: bytes are bytes
}

/// A prepared statement. Bind its parameters in order, then step.
class Statement {
 public:
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  Statement& bind(Blob bytes);

  /// True where there is a row to read, false at the end.
  manifests::Result<bool> step();
  /// For a statement that gives no rows.
  manifests::Result<void> run();

  // Of the current row, columns from 0. A NULL reads as 0 or empty.
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] std::string text(int column) const;
  /// The bytes are valid until the next step.
  [[nodiscard]] Blob blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}

  sqlite3* database_;
  std::string path_;  ///< for messages
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
  int failure_ = 0;  ///< of a bind or of preparing; told by step()
};

enum class Access { read, write };

class Database {
 public:
  /// `write` makes the file where it is absent. `:memory:` is a database of its own that goes with this object.
  static manifests::Result<Database> open(const std::string& path, Access access);

  /// Any number of statements without parameters and rows.
  manifests::Result<void> execute(const char* sql);
  /// An error in `sql` is told by the statement's step().
  Statement prepare(std::string_view sql);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

/// Everything between its start and commit() happens, or nothing of it.
class Transaction {
 public:
  static manifests::Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  /// On an error nothing has happened.
  manifests::Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace driftd::daemon::sqlite
