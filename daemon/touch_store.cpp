#include "daemon/touch_store.hpp"

#include <algorithm>
#include <utility>

#include "daemon/evidence_forms.hpp"
#include "daemon/state_schema.hpp"

namespace driftd::daemon {

using manifests::Result;

Result<void> TouchStore::write(const std::string& tree, const Touches& touches) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  if (auto upgraded = upgrade_schema(state_.database()); !upgraded) return upgraded;
  auto transaction = sqlite::Transaction::begin(state_.database());
  if (!transaction) return transaction.error();
  for (const auto& [path, touch] : touches) {
    auto insert = state_.database().prepare(
        "INSERT OR REPLACE INTO touch(tree, path, at, identity, evidence) VALUES (?, ?, ?, ?, ?)");
    const std::string evidence = stored_evidence(touch.evidence);
    insert.bind(tree).bind(sqlite::blob_of(path)).bind(touch.at).bind(sqlite::Blob(touch.identity));
    if (auto done = insert.bind(sqlite::blob_of(evidence)).run(); !done) return done;
  }
  // By the order of writing: the clock may be set.
  auto trim = state_.database().prepare(
      "DELETE FROM touch WHERE tree = ? AND id NOT IN (SELECT id FROM touch WHERE tree = ? ORDER BY id DESC LIMIT ?)");
  if (auto done = trim.bind(tree).bind(tree).bind(std::int64_t{kMost}).run(); !done) return done;
  return transaction->commit();
}

Result<std::optional<Touch>> TouchStore::read(const std::string& tree, const std::string& path) {
  const auto version = read_pragma(state_.database(), "user_version");
  if (!version) return version.error();
  if (*version < kSchemaWithTouches) return std::optional<Touch>();
  auto rows = state_.database().prepare("SELECT at, identity, evidence FROM touch WHERE tree = ? AND path = ?");
  const auto row = rows.bind(tree).bind(sqlite::blob_of(path)).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Touch>();
  Touch touch;
  touch.at = rows.number(0);
  const sqlite::Blob identity = rows.blob(1);
  std::copy_n(identity.begin(), std::min(identity.size(), touch.identity.size()), touch.identity.begin());
  if (auto evidence = read_stored_evidence(rows.text(2))) touch.evidence = std::move(*evidence);
  return std::optional(std::move(touch));
}

Result<void> TouchStore::drop_older(std::int64_t than) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  if (auto upgraded = upgrade_schema(state_.database()); !upgraded) return upgraded;
  auto drop = state_.database().prepare("DELETE FROM touch WHERE at < ?");
  return drop.bind(than).run();
}

}  // namespace driftd::daemon
