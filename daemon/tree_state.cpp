#include "daemon/tree_state.hpp"

#include <algorithm>
#include <utility>

namespace driftd::daemon {
namespace {

using manifests::ErrorCode;

constexpr std::chrono::seconds kQuickWithEvents{30 * 60};
constexpr std::chrono::seconds kQuickWhilePolling{5 * 60};

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

TreeState::News TreeState::take(Standing standing, std::int64_t now, BootTime boot_now) {
  const auto& before = standing_.problem;
  // The same refusal again is no news.
  const bool is_new_refusal = standing.problem && (!before || before->message != standing.problem->message);
  if (is_new_refusal) ++counters_.manifest_rejections;

  const bool is_new = standing.manifest != nullptr && (standing_.manifest == nullptr ||
                                                       standing_.manifest->identity() != standing.manifest->identity());
  // A deploy that has been seen to end stays ended, though the store may not have been told yet.
  if (!is_new && standing_.previous == nullptr) {
    standing.previous.reset();
    standing.transition.reset();
  }
  // The release before counts no more: what it excused has to be judged without it.
  const bool is_excuse_gone = !is_new && standing_.previous != nullptr && standing.previous == nullptr;
  standing_ = std::move(standing);
  if (is_excuse_gone) {
    complete_ = false;
    newer_ = {};
    return News::stricter;
  }
  if (is_new && standing_.previous != nullptr) {
    // Time may have passed while nothing ran, and a clock may have been set.
    const std::chrono::seconds passed(std::max<std::int64_t>(0, now - standing_.transition->since));
    deadline_ = boot_now + std::max(std::chrono::seconds(0), config_.deploy_window - passed);
    timed_out_ = deadline_ <= boot_now;
  }
  if (!is_new) return News::none;
  exactly_.clear();
  complete_ = false;
  newer_ = {};
  if (judged_by_ != standing_.manifest->identity()) drift_.outdate();
  if (standing_.previous == nullptr) forget_scans();
  return News::new_release;
}

scanner::Pending TreeState::pending_rule() const {
  return standing_.previous != nullptr && !timed_out_ ? scanner::Pending::excused : scanner::Pending::drift;
}

bool TreeState::is_deployed() const {
  return standing_.previous != nullptr && complete_ && drift_.pending().empty() && drift_.unverified().empty();
}

void TreeState::deploy_ended() {
  standing_.previous.reset();
  standing_.transition.reset();
  timed_out_ = false;
}

std::optional<TreeState::BootTime> TreeState::deploy_deadline() const {
  if (!is_excused()) return std::nullopt;
  return deadline_;
}

scanner::DriftChanges TreeState::deploy_timed_out(std::int64_t now) {
  timed_out_ = true;
  auto changes = drift_.end_excuse(now);
  count(changes);
  return changes;
}

bool TreeState::may_be_another_release() const {
  const bool is_deploying = is_excused() && !drift_.pending().empty();
  return complete_ && exactly_.empty() && !is_deploying && !drift_.open().empty() && drift_.unverified().empty();
}

void TreeState::root_changed() { forget_scans(); }

void TreeState::recall(std::map<std::string, scanner::OpenDrift> open, const std::optional<Identity>& judged_by) {
  drift_.recall(std::move(open));
  judged_by_ = judged_by;
}

void TreeState::forget_scans() {
  drift_.forget();
  exactly_.clear();
  count_totals();
  complete_ = false;
  newer_ = {};
}

void TreeState::scan_started() { newer_ = {}; }

scanner::DriftChanges TreeState::apply(scanner::ScanResult result, const scanner::Scope& newer, std::int64_t now) {
  counters_.hashed_bytes += result.hashed_bytes;
  counters_.hashed_files += result.hashed_files;
  const bool is_all_clean = result.findings.empty() && result.pending.empty();
  auto changes = drift_.apply(std::move(result), newer, now, pending_rule());
  if (!is_all_clean || !changes.resolved.empty()) {
    exactly_.clear();
    ++drift_version_;
  }
  count(changes);
  return changes;
}

void TreeState::count(const scanner::DriftChanges& changes) {
  count_totals();
  counters_.drift_detected += changes.opened.size();
  counters_.drift_resolved += changes.resolved.size();
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

scanner::DriftChanges TreeState::full_scan_done(scanner::ScanResult result, std::int64_t now, BootTime boot_now,
                                                std::chrono::duration<double> duration) {
  complete_ = true;
  judged_by_ = standing_.manifest->identity();
  scan_failure_.clear();
  last_full_ = last_look_ = boot_now;
  ++full_.done;
  full_.last_success = static_cast<double>(now);
  full_.last_duration = duration.count();
  auto changes = apply(std::move(result), newer_, now);
  newer_ = {};
  return changes;
}

scanner::DriftChanges TreeState::quick_scan_done(scanner::ScanResult result, std::int64_t now, BootTime boot_now,
                                                 std::chrono::duration<double> duration) {
  last_look_ = boot_now;
  ++quick_.done;
  quick_.last_success = static_cast<double>(now);
  quick_.last_duration = duration.count();
  auto changes = apply(std::move(result), newer_, now);
  newer_ = {};
  return changes;
}

void TreeState::scan_failed(Depth depth, std::string message) {
  ++(depth == Depth::full ? full_ : quick_).failed;
  complete_ = false;
  scan_failure_ = std::move(message);
  newer_ = {};
}

scanner::DriftChanges TreeState::rescan_done(scanner::ScanResult result, std::int64_t now, bool started_during_scan,
                                             const scanner::Scope& newer) {
  if (started_during_scan) newer_.add_all(result.scope);
  return apply(std::move(result), newer, now);
}

void TreeState::set_stalled(bool stalled) {
  stalled_ = stalled;
  totals_.unverified.try_emplace(scanner::UnverifiedReason::stalled, 0);
}

void TreeState::count_events(std::uint64_t events, bool overflow) {
  counters_.watch_events += events;
  if (overflow) ++counters_.watch_overflows;
}

std::chrono::seconds TreeState::quick_interval() const {
  if (config_.quick_scan_is_set) return config_.quick_scan;
  return watching_events_ ? kQuickWithEvents : kQuickWhilePolling;
}

std::set<UnknownReason> TreeState::unknown_reasons(BootTime boot_now) const {
  std::set<UnknownReason> reasons;
  if (stalled_) reasons.insert(UnknownReason::unverified);
  const auto& distrust = standing_.distrust;
  const auto is_revoked = [](const std::optional<manifests::Error>& error) {
    return error && error->code == ErrorCode::revoked;
  };
  if (standing_.manifest == nullptr) {
    const bool revoked = is_revoked(distrust) || is_revoked(standing_.problem);
    reasons.insert(revoked ? UnknownReason::key_revoked : UnknownReason::manifest);
    return reasons;
  }
  // Keys that no longer count, or cannot be established, take the manifest in force with them.
  if (distrust) reasons.insert(is_revoked(distrust) ? UnknownReason::key_revoked : UnknownReason::manifest);
  if (is_excused() && (!complete_ || !drift_.pending().empty())) reasons.insert(UnknownReason::deploying);
  if (!complete_) reasons.insert(UnknownReason::scanning);
  // A scan that could not be made is no scan that is being made.
  if (!scan_failure_.empty()) reasons.insert(UnknownReason::unverified);
  if (!drift_.unverified().empty()) reasons.insert(UnknownReason::unverified);
  const bool is_overdue = boot_now - last_full_ > 2 * full_interval() || boot_now - last_look_ > 2 * quick_interval();
  if (complete_ && is_overdue) reasons.insert(UnknownReason::overdue);
  return reasons;
}

TreeSnapshot TreeState::snapshot(std::int64_t now, BootTime boot_now) const {
  TreeSnapshot snapshot;
  snapshot.name = config_.name;
  snapshot.labels = config_.labels;
  snapshot.unknown = unknown_reasons(boot_now);
  const std::int64_t trusted_now = std::max(now, standing_.time_floor);
  if (standing_.manifest != nullptr) snapshot.manifest = info_of(*standing_.manifest, trusted_now);
  snapshot.manifest_problem = standing_.problem;
  snapshot.deploy_in_progress = is_excused();
  snapshot.deploy_pending = drift_.pending().size();
  snapshot.clock_suspect = now < standing_.time_floor;
  snapshot.trust_reset = standing_.trust_reset.has_value();
  snapshot.exactly = exactly_;
  snapshot.drift = totals_.drift;
  if (!exactly_.empty()) snapshot.drift = {{scanner::DriftKind::modified, 1}};
  snapshot.unverified = totals_.unverified;
  // The root, and with it all below.
  if (stalled_) ++snapshot.unverified[scanner::UnverifiedReason::stalled];
  snapshot.oldest_open_drift = totals_.oldest_open_drift;
  snapshot.full = full_;
  snapshot.full.interval = static_cast<double>(full_interval().count());
  snapshot.quick = quick_;
  snapshot.quick.interval = static_cast<double>(quick_interval().count());
  snapshot.counters = counters_;
  snapshot.watching_events = watching_events_;
  snapshot.polling_reason = polling_reason_;
  snapshot.root = config_.root;
  snapshot.stalled = stalled_;
  snapshot.scan_failure = scan_failure_;
  if (standing_.previous) snapshot.deploying_from = standing_.previous->header().release;
  return snapshot;
}

}  // namespace driftd::daemon
