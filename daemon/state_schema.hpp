#pragma once

#include <cstdint>
#include <string>

#include "daemon/sqlite.hpp"
#include "manifests/error.hpp"

/// The tables of state.db, and their versions.
namespace driftd::daemon {

/// The first version that says who made drift.
inline constexpr std::int64_t kSchemaWithEvidence = 3;
/// The first version that says what was touched and left no drift.
inline constexpr std::int64_t kSchemaWithTouches = 4;

/// Of an empty database: every table, in one transaction.
manifests::Result<void> create_schema(sqlite::Database& database);

/// Is it ours, whole, and of a version that we know? `format` where the file is damaged or somebody else's; any other
/// error says nothing of that. Changes nothing. What version 1 has is the same in every version.
manifests::Result<void> check_schema(sqlite::Database& database);

/// Brings a database that check_schema() took to the latest version, and keeps all that is in it; or, on an error,
/// leaves it as it was. Nothing to do is no error.
manifests::Result<void> upgrade_schema(sqlite::Database& database);

manifests::Result<std::int64_t> read_pragma(sqlite::Database& database, const std::string& name);

}  // namespace driftd::daemon
