#include "daemon/history_store.hpp"

#include <algorithm>

#include "daemon/evidence_forms.hpp"
#include "daemon/state_schema.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;
using manifests::minisign::Prehash;

std::string joined(scanner::Changes changes) {
  std::string names;
  for (const scanner::Change change : scanner::kAllChanges) {
    if (changes.has(change)) names.append(names.empty() ? "" : ",").append(to_string(change));
  }
  return names;
}

Result<scanner::DriftKind> to_kind(const std::string& name) {
  for (const scanner::DriftKind kind : scanner::kAllDriftKinds) {
    if (to_string(kind) == name) return kind;
  }
  return Error{ErrorCode::io, "state.db: a kind of drift that does not exist"};
}

std::optional<std::int64_t> optional_number(const sqlite::Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.number(column));
}

/// NULL where nothing is known, as `nullif(?, x'')` makes it.
std::string evidence_bytes(const std::shared_ptr<const scanner::PathEvidence>& evidence) {
  return evidence ? stored_evidence(*evidence) : std::string();
}

}  // namespace

Result<void> HistoryStore::write(const std::string& tree, const HistoryBatch& batch) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  if (auto upgraded = upgrade_schema(state_.database()); !upgraded) return upgraded;
  auto transaction = sqlite::Transaction::begin(state_.database());
  if (!transaction) return transaction.error();
  auto known = listed(tree);
  if (!known) return known.error();
  if (auto done = end_all(tree, batch, *known); !done) return done;
  if (auto done = open(tree, batch, *known); !done) return done;
  if (auto done = attribute(tree, batch, *known); !done) return done;
  if (auto done = note(tree, batch, *known); !done) return done;
  if (!batch.ended.empty() || batch.only_open) {
    if (auto done = trim(tree); !done) return done;
  }
  return transaction->commit();
}

Result<std::set<std::string>> HistoryStore::listed(const std::string& tree) {
  std::set<std::string> paths;
  auto rows = state_.database().prepare("SELECT path FROM drift WHERE tree = ? AND ended_at IS NULL");
  rows.bind(tree);
  for (;;) {
    const auto row = rows.step();
    if (!row) return row.error();
    if (!*row) return paths;
    paths.insert(rows.text(0));
  }
}

Result<void> HistoryStore::end(const std::string& tree, const std::string& path, Ending ending, std::int64_t at) {
  auto update = state_.database().prepare(
      "UPDATE drift SET ended_at = ?, ending = ? WHERE tree = ? AND path = ? AND ended_at IS NULL");
  return update.bind(at).bind(to_string(ending)).bind(tree).bind(sqlite::blob_of(path)).run();
}

Result<void> HistoryStore::end_all(const std::string& tree, const HistoryBatch& batch, std::set<std::string>& listed) {
  for (const auto& [path, ending] : batch.ended) {
    if (listed.erase(path) == 0) continue;
    if (auto done = end(tree, path, ending, batch.at); !done) return done;
  }
  if (!batch.only_open) return {};
  for (auto at = listed.begin(); at != listed.end();) {
    if (batch.only_open->contains(*at)) {
      ++at;
      continue;
    }
    if (auto done = end(tree, *at, Ending::resolved, batch.at); !done) return done;
    at = listed.erase(at);
  }
  return {};
}

Result<void> HistoryStore::open(const std::string& tree, const HistoryBatch& batch, std::set<std::string>& listed) {
  for (const HistoryBatch::Opened& opened : batch.opened) {
    if (listed.size() >= kMostOpen) break;
    if (!listed.insert(opened.path).second) continue;
    auto insert = state_.database().prepare(
        "INSERT INTO drift(tree, path, kind, changes, opened_at, evidence) VALUES (?, ?, ?, ?, ?, nullif(?, x''))");
    insert.bind(tree).bind(sqlite::blob_of(opened.path)).bind(to_string(opened.kind)).bind(joined(opened.changes));
    const std::string evidence = evidence_bytes(opened.evidence);
    if (auto done = insert.bind(opened.at).bind(sqlite::blob_of(evidence)).run(); !done) return done;
  }
  return {};
}

Result<void> HistoryStore::attribute(const std::string& tree, const HistoryBatch& batch,
                                     const std::set<std::string>& listed) {
  for (const auto& [path, evidence] : batch.attributed) {
    if (!listed.contains(path)) continue;
    auto update = state_.database().prepare(
        "UPDATE drift SET evidence = nullif(?, x'') WHERE tree = ? AND path = ? AND ended_at IS NULL");
    const std::string bytes = evidence_bytes(evidence);
    if (auto done = update.bind(sqlite::blob_of(bytes)).bind(tree).bind(sqlite::blob_of(path)).run(); !done)
      return done;
  }
  return {};
}

Result<void> HistoryStore::note(const std::string& tree, const HistoryBatch& batch,
                                const std::set<std::string>& listed) {
  for (const std::string& path : batch.notified) {
    if (!listed.contains(path)) continue;
    auto update = state_.database().prepare(
        "UPDATE drift SET notified_at = ? WHERE tree = ? AND path = ? AND ended_at IS NULL AND notified_at IS NULL");
    if (auto done = update.bind(batch.at).bind(tree).bind(sqlite::blob_of(path)).run(); !done) return done;
  }
  auto tell = state_.database().prepare(
      "INSERT OR REPLACE INTO drift_tree_state(tree, open, judged_by) VALUES (?, ?, nullif(?, x''))");
  tell.bind(tree).bind(static_cast<std::int64_t>(batch.open));
  return tell.bind(batch.judged_by ? sqlite::Blob(*batch.judged_by) : sqlite::blob_of("")).run();
}

Result<void> HistoryStore::trim(const std::string& tree) {
  auto drop = state_.database().prepare(
      "DELETE FROM drift WHERE tree = ? AND ended_at IS NOT NULL AND id NOT IN (SELECT id FROM drift WHERE tree = ? "
      "AND ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?)");
  return drop.bind(tree).bind(tree).bind(std::int64_t{kMostEnded}).run();
}

Result<HistoryStore::Recalled> HistoryStore::recall(const std::string& tree) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place.error();
  Recalled recalled;
  auto rows = state_.database().prepare(
      "SELECT path, kind, opened_at, notified_at FROM drift WHERE tree = ? AND ended_at IS NULL");
  rows.bind(tree);
  for (auto row = rows.step();; row = rows.step()) {
    if (!row) return row.error();
    if (!*row) break;
    scanner::OpenDrift open;
    open.finding.path = rows.text(0);
    const auto kind = to_kind(rows.text(1));
    open.first_seen = rows.number(2);
    const bool is_sound =
        kind && !open.finding.path.empty() && open.first_seen >= 0 && open.first_seen <= manifests::kLastUtcTime;
    if (!is_sound) continue;  // nothing that this program wrote
    open.finding.kind = *kind;
    if (!rows.is_null(3)) open.notice.state = scanner::Notice::State::told;
    recalled.open.emplace(open.finding.path, std::move(open));
  }
  auto known = evidence(tree);
  if (!known) return known.error();
  for (auto& [path, one] : *known) {
    const auto at = recalled.open.find(path);
    if (at != recalled.open.end()) at->second.evidence = std::make_shared<const scanner::PathEvidence>(std::move(one));
  }
  auto state = state_.database().prepare("SELECT judged_by FROM drift_tree_state WHERE tree = ?");
  const auto found = state.bind(tree).step();
  if (!found) return found.error();
  Prehash identity{};
  if (*found && state.blob(0).size() == identity.size()) {
    std::copy_n(state.blob(0).begin(), identity.size(), identity.begin());
    recalled.judged_by = identity;
  }
  return recalled;
}

Result<std::map<std::string, scanner::PathEvidence>> HistoryStore::evidence(const std::string& tree) {
  std::map<std::string, scanner::PathEvidence> known;
  const auto version = read_pragma(state_.database(), "user_version");
  if (!version) return version.error();
  if (*version < kSchemaWithEvidence) return known;
  auto rows = state_.database().prepare(
      "SELECT path, evidence FROM drift WHERE tree = ? AND ended_at IS NULL AND evidence IS NOT NULL");
  rows.bind(tree);
  for (auto row = rows.step();; row = rows.step()) {
    if (!row) return row.error();
    if (!*row) return known;
    if (auto evidence = read_stored_evidence(rows.text(1))) known.emplace(rows.text(0), std::move(*evidence));
  }
}

Result<HistoryStore::Latest> HistoryStore::latest(const std::string& tree, std::size_t most) {
  Latest latest;
  auto rows = state_.database().prepare(
      "SELECT path, kind, changes, opened_at, notified_at, ended_at, ending, evidence FROM drift WHERE "
      "tree = ? "
      "ORDER BY id DESC LIMIT ?");
  rows.bind(tree).bind(static_cast<std::int64_t>(most));
  for (auto row = rows.step();; row = rows.step()) {
    if (!row) return row.error();
    if (!*row) break;
    DriftRecord& record = latest.records.emplace_back();
    record.path = rows.text(0);
    record.kind = rows.text(1);
    record.changes = rows.text(2);
    record.opened_at = rows.number(3);
    record.notified_at = optional_number(rows, 4);
    record.ended_at = optional_number(rows, 5);
    if (record.ended_at) record.ending = rows.text(6) == "deployed" ? Ending::deployed : Ending::resolved;
    record.evidence = read_stored_evidence(rows.text(7));
  }
  auto state = state_.database().prepare("SELECT open FROM drift_tree_state WHERE tree = ?");
  const auto found = state.bind(tree).step();
  if (!found) return found.error();
  if (*found) latest.open = static_cast<std::uint64_t>(state.number(0));
  return latest;
}

Result<void> HistoryStore::drop_old(const std::vector<std::string>& configured, std::int64_t now) {
  if (auto in_place = state_.check_in_place(); !in_place) return in_place;
  auto& database = state_.database();
  if (auto upgraded = upgrade_schema(database); !upgraded) return upgraded;
  auto transaction = sqlite::Transaction::begin(database);
  if (!transaction) return transaction.error();
  auto drop = database.prepare("DELETE FROM drift WHERE ended_at < ?");
  if (auto done = drop.bind(now - kKeepSeconds).run(); !done) return done;
  std::set<std::string> others;
  auto rows = database.prepare("SELECT DISTINCT tree FROM drift WHERE opened_at < ? AND ended_at IS NULL");
  rows.bind(now - kKeepSeconds);
  for (auto row = rows.step();; row = rows.step()) {
    if (!row) return row.error();
    if (!*row) break;
    const std::string tree = rows.text(0);
    if (std::find(configured.begin(), configured.end(), tree) == configured.end()) others.insert(tree);
  }
  for (const std::string& tree : others) {
    auto forget = database.prepare("DELETE FROM drift WHERE tree = ? AND opened_at < ? AND ended_at IS NULL");
    if (auto done = forget.bind(tree).bind(now - kKeepSeconds).run(); !done) return done;
  }
  return transaction->commit();
}

}  // namespace driftd::daemon
