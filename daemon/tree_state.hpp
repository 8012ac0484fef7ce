#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/config.hpp"
#include "daemon/snapshot.hpp"
#include "manifests/trust.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// What is known of one tree, and the rules by which results change it: no clock, no threads, no files.
class TreeState {
 public:
  using Manifest = std::shared_ptr<const manifests::VerifiedManifest>;
  using BootTime = std::chrono::nanoseconds;  ///< CLOCK_BOOTTIME

  explicit TreeState(TreeConfig config) : config_(std::move(config)) {}

  enum class Offer { taken, same, refused };

  /// A manifest that was read from disk, or why there is none. Refusing it leaves the one in force, and all that is
  /// known of the tree, as it was; the refusal shows. A new one makes all that was known void.
  Offer offer(manifests::Result<Manifest> manifest);

  /// The root leads somewhere else now: all that was known is void.
  void root_changed();

  /// A full scan begins or ends. `failed` results make the tree unknown until one succeeds.
  void full_scan_started();
  scanner::DriftChanges full_scan_done(const scanner::ScanResult& result, std::int64_t now, BootTime boot_now,
                                       std::chrono::duration<double> duration);
  void full_scan_failed(std::string message);

  /// A rescan of some paths ended. `started_during_full_scan`: the full scan that is running now was running when
  /// the rescan began, so that the rescan's view is the later one.
  scanner::DriftChanges rescan_done(const scanner::ScanResult& result, std::int64_t now, bool started_during_full_scan);

  void count_events(std::uint64_t events, bool overflow);
  void set_watching(bool events) { watching_events_ = events; }

  [[nodiscard]] const TreeConfig& config() const { return config_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] const scanner::DriftSet& drift() const { return drift_; }
  [[nodiscard]] const std::string& scan_failure() const { return scan_failure_; }
  [[nodiscard]] bool watching_events() const { return watching_events_; }
  [[nodiscard]] std::chrono::seconds full_interval() const;
  [[nodiscard]] TreeSnapshot snapshot(std::int64_t now, BootTime boot_now) const;

 private:
  void forget_scans();
  void count_totals();
  [[nodiscard]] std::set<UnknownReason> unknown_reasons(BootTime boot_now) const;
  scanner::DriftChanges apply(const scanner::ScanResult& result, const scanner::Scope& newer, std::int64_t now);

  TreeConfig config_;
  Manifest manifest_;
  std::optional<manifests::Error> problem_;
  scanner::DriftSet drift_;
  bool complete_ = false;  ///< a full scan of what is there now has been done
  std::string scan_failure_;
  BootTime last_complete_{};
  scanner::Scope newer_;  ///< rescanned since the running full scan began
  /// Of drift_, counted when it changes: it may be large, and snapshots are many.
  struct Totals {
    std::map<scanner::DriftKind, std::uint64_t> drift;
    std::map<scanner::UnverifiedReason, std::uint64_t> unverified;  ///< a reason, once seen, stays
    std::int64_t oldest_open_drift = 0;
  };
  Totals totals_;
  bool watching_events_ = false;
  ScanStatistics full_;
  TreeCounters counters_;
};

}  // namespace driftd::daemon
