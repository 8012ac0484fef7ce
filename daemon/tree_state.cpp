#include "daemon/tree_state.hpp"

#include <algorithm>

namespace driftd::daemon {
namespace {

using manifests::ErrorCode;

constexpr std::chrono::seconds kQuickWhilePolling{300};

ManifestInfo info_of(const manifests::VerifiedManifest& manifest, std::int64_t now) {
  const manifests::Header& header = manifest.header();
  ManifestInfo info;
  info.release = header.release;
  info.content = "blake3:" + to_hex(manifest.content());
  for (const auto& key : manifest.keys()) info.key_ids.push_back(to_string(key.id));
  info.overrides = header.overrides;
  std::sort(info.overrides.begin(), info.overrides.end());
  info.overrides.erase(std::unique(info.overrides.begin(), info.overrides.end()), info.overrides.end());
  info.sequence = header.sequence;
  info.entries = manifest.manifest().size();
  info.unchecked_rules = header.mutable_globs.size();
  info.created = header.created;
  info.expires = header.expires;
  info.expired = is_expired(header, now);
  return info;
}

}  // namespace

TreeState::Offer TreeState::offer(manifests::Result<Manifest> manifest) {
  if (manifest && manifest_) {
    if (auto follows = check_succession(*manifest_, **manifest); !follows) manifest = follows.error();
  }
  if (!manifest) {
    // The same refusal again is no news.
    if (!problem_ || problem_->message != manifest.error().message) ++counters_.manifest_rejections;
    problem_ = manifest.error();
    return Offer::refused;
  }
  problem_.reset();
  const bool is_same = manifest_ && manifest_->identity() == (*manifest)->identity();
  manifest_ = std::move(*manifest);
  if (is_same) return Offer::same;
  forget_scans();
  return Offer::taken;
}

void TreeState::root_changed() { forget_scans(); }

void TreeState::forget_scans() {
  drift_ = {};
  count_totals();
  complete_ = false;
  newer_ = {};
}

void TreeState::full_scan_started() { newer_ = {}; }

scanner::DriftChanges TreeState::apply(const scanner::ScanResult& result, const scanner::Scope& newer,
                                       std::int64_t now) {
  counters_.hashed_bytes += result.hashed_bytes;
  counters_.hashed_files += result.hashed_files;
  auto changes = drift_.apply(result, newer, now);
  count_totals();
  counters_.drift_detected += changes.opened.size();
  counters_.drift_resolved += changes.resolved.size();
  return changes;
}

void TreeState::count_totals() {
  totals_.drift.clear();
  totals_.oldest_open_drift = 0;
  for (const auto& [path, open] : drift_.open()) {
    ++totals_.drift[open.finding.kind];
    const bool is_older = totals_.oldest_open_drift == 0 || open.first_seen < totals_.oldest_open_drift;
    if (is_older) totals_.oldest_open_drift = open.first_seen;
  }
  for (auto& [reason, count] : totals_.unverified) count = 0;
  for (const auto& [path, unverified] : drift_.unverified()) ++totals_.unverified[unverified.reason];
}

scanner::DriftChanges TreeState::full_scan_done(const scanner::ScanResult& result, std::int64_t now, BootTime boot_now,
                                                std::chrono::duration<double> duration) {
  complete_ = true;
  scan_failure_.clear();
  last_complete_ = boot_now;
  ++full_.done;
  full_.last_success = static_cast<double>(now);
  full_.last_duration = duration.count();
  auto changes = apply(result, newer_, now);
  newer_ = {};
  return changes;
}

void TreeState::full_scan_failed(std::string message) {
  ++full_.failed;
  complete_ = false;
  scan_failure_ = std::move(message);
  newer_ = {};
}

scanner::DriftChanges TreeState::rescan_done(const scanner::ScanResult& result, std::int64_t now,
                                             bool started_during_full_scan) {
  if (started_during_full_scan) newer_.add_all(result.scope);
  return apply(result, {}, now);
}

void TreeState::count_events(std::uint64_t events, bool overflow) {
  counters_.watch_events += events;
  if (overflow) ++counters_.watch_overflows;
}

std::chrono::seconds TreeState::full_interval() const {
  if (watching_events_) return config_.full_scan;
  // Without events only scans see anything.
  return std::min(config_.full_scan, config_.quick_scan_is_set ? config_.quick_scan : kQuickWhilePolling);
}

std::set<UnknownReason> TreeState::unknown_reasons(BootTime boot_now) const {
  std::set<UnknownReason> reasons;
  if (!manifest_) {
    const bool revoked = problem_ && problem_->code == ErrorCode::revoked;
    reasons.insert(revoked ? UnknownReason::key_revoked : UnknownReason::manifest);
    return reasons;
  }
  // Keys that no longer count, or cannot be established, take the manifest in force with them.
  if (problem_ && problem_->code == ErrorCode::revoked) reasons.insert(UnknownReason::key_revoked);
  if (problem_ && problem_->code == ErrorCode::trust) reasons.insert(UnknownReason::manifest);
  if (!complete_) reasons.insert(UnknownReason::scanning);
  if (!drift_.unverified().empty()) reasons.insert(UnknownReason::unverified);
  if (complete_ && boot_now - last_complete_ > 2 * full_interval()) reasons.insert(UnknownReason::overdue);
  return reasons;
}

TreeSnapshot TreeState::snapshot(std::int64_t now, BootTime boot_now) const {
  TreeSnapshot snapshot;
  snapshot.name = config_.name;
  snapshot.labels = config_.labels;
  snapshot.unknown = unknown_reasons(boot_now);
  if (manifest_) snapshot.manifest = info_of(*manifest_, now);
  snapshot.manifest_problem = problem_;
  snapshot.drift = totals_.drift;
  snapshot.unverified = totals_.unverified;
  snapshot.oldest_open_drift = totals_.oldest_open_drift;
  snapshot.full = full_;
  snapshot.full.interval = static_cast<double>(full_interval().count());
  snapshot.counters = counters_;
  snapshot.watching_events = watching_events_;
  return snapshot;
}

}  // namespace driftd::daemon
