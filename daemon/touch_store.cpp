#include "daemon/touch_store.hpp"

#include <algorithm>
#include <utility>

#include "daemon/evidence_forms.hpp"
#include "daemon/state_schema.hpp"

namespace driftd::daemon {

using manifests::Result;

Touch joined(const Touch& earlier, Touch later) {
  later.first_at = std::min(earlier.first_at, later.first_at);
  later.evidence = merged(earlier.evidence, std::move(later.evidence));
  return later;
}

Result<void> TouchStore::write(const std::string& tree, const Touches& touches) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  if (auto upgraded = upgrade_schema(state_.database()); !upgraded) return upgraded;
  auto transaction = sqlite::Transaction::begin(state_.database());
  if (!transaction) return transaction.error();
  for (const auto& [path, touch] : touches) {
    const auto before = read(tree, path);
    if (!before) return before.error();
    const Touch now = *before ? joined(**before, touch) : touch;
    auto insert = state_.database().prepare(
        "INSERT OR REPLACE INTO touch(tree, path, first_at, last_at, evidence) VALUES (?, ?, ?, ?, ?)");
    const std::string evidence = stored_evidence(now.evidence);
    insert.bind(tree).bind(sqlite::blob_of(path)).bind(now.first_at).bind(now.last_at).bind(sqlite::blob_of(evidence));
    if (auto done = insert.run(); !done) return done;
  }
  auto trim = state_.database().prepare(
      "DELETE FROM touch WHERE tree = ? AND path NOT IN (SELECT path FROM touch WHERE tree = ? ORDER BY last_at DESC "
      "LIMIT ?)");
  if (auto done = trim.bind(tree).bind(tree).bind(std::int64_t{kMost}).run(); !done) return done;
  return transaction->commit();
}

Result<std::optional<Touch>> TouchStore::read(const std::string& tree, const std::string& path) {
  const auto version = read_pragma(state_.database(), "user_version");
  if (!version) return version.error();
  if (*version < kSchemaWithTouches) return std::optional<Touch>();
  auto rows = state_.database().prepare("SELECT first_at, last_at, evidence FROM touch WHERE tree = ? AND path = ?");
  const auto row = rows.bind(tree).bind(sqlite::blob_of(path)).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Touch>();
  auto evidence = read_stored_evidence(rows.text(2));
  return std::optional(
      Touch{rows.number(0), rows.number(1), evidence ? std::move(*evidence) : scanner::PathEvidence()});
}

Result<void> TouchStore::drop_older(std::int64_t than) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  if (auto upgraded = upgrade_schema(state_.database()); !upgraded) return upgraded;
  auto drop = state_.database().prepare("DELETE FROM touch WHERE last_at < ?");
  return drop.bind(than).run();
}

}  // namespace driftd::daemon
