#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "daemon/config.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/standing.hpp"
#include "manifests/trust.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

enum class Depth : std::uint8_t {
  full,   ///< every file is read
  quick,  ///< every path is looked at, and what was touched since it was last read is read again
};

/// What is known of one tree, and the rules by which results change it: no clock, no threads, no files.
class TreeState {
 public:
  using BootTime = std::chrono::nanoseconds;  ///< CLOCK_BOOTTIME
  using Identity = manifests::minisign::Prehash;

  explicit TreeState(TreeConfig config) : config_(std::move(config)) {}

  enum class News {
    none,
    new_release,
    stricter,  ///< the release before excuses nothing any more; a full scan has to say what that means
  };

  /// What was decided about the manifest. A new one makes the scans void: what was known goes where the root is
  /// another, and has to be confirmed by a full scan where the tree is changed in place.
  News take(Standing standing, std::int64_t now, BootTime boot_now);

  /// The root leads somewhere else now: all that was known is void.
  void root_changed();

  /// What an earlier process, or an earlier configuration of the tree, last knew to be drift, by which manifest. Shows
  /// nowhere before a scan has found it again.
  void recall(std::map<std::string, scanner::OpenDrift> open, const std::optional<Identity>& judged_by);
  /// The manifest by which all that is known was judged, by a complete scan. It may not be in force any more.
  [[nodiscard]] const std::optional<Identity>& judged_by() const { return judged_by_; }
  /// A full scan of what is there now has been done.
  [[nodiscard]] bool is_complete() const { return complete_; }

  /// Every path has been seen to be the new release, or to be wrong in another way: there is nothing more to excuse.
  [[nodiscard]] bool is_deployed() const;
  void deploy_ended();
  /// While a deploy is under way: when its time is over.
  [[nodiscard]] std::optional<BootTime> deploy_deadline() const;
  /// That time has come: what is still pending is drift.
  scanner::DriftChanges deploy_timed_out(std::int64_t now);

  /// The tree is another release as a whole. Holds until a scan finds anything new.
  void set_exactly(std::string release) { exactly_ = std::move(release); }
  /// Whether that is worth looking into: everything is known, and something is wrong.
  [[nodiscard]] bool may_be_another_release() const;
  /// Changes with everything that a scan finds.
  [[nodiscard]] std::uint64_t drift_version() const { return drift_version_; }

  /// A scan of the whole tree begins or ends. A failed one makes the tree unknown until a full one succeeds.
  void scan_started();
  scanner::DriftChanges full_scan_done(scanner::ScanResult result, std::int64_t now, BootTime boot_now,
                                       std::chrono::duration<double> duration);
  scanner::DriftChanges quick_scan_done(scanner::ScanResult result, std::int64_t now, BootTime boot_now,
                                        std::chrono::duration<double> duration);
  void scan_failed(Depth depth, std::string message);

  /// A rescan of some paths ended. `started_during_scan`: the scan of the whole tree that is running now was running
  /// when the rescan began, so that the rescan's view is the later one. `newer` has been looked at since it began.
  scanner::DriftChanges rescan_done(scanner::ScanResult result, std::int64_t now, bool started_during_scan,
                                    const scanner::Scope& newer = {});

  void count_events(std::uint64_t events, bool overflow);
  /// `why_not`: why changes are not told of, where they are not.
  void set_watching(bool events, std::string why_not = {}) {
    watching_events_ = events;
    polling_reason_ = std::move(why_not);
  }

  /// The tree's file system does not answer: nothing is known of any path until it does. What was drift stays so.
  void set_stalled(bool stalled);
  [[nodiscard]] bool is_stalled() const { return stalled_; }

  [[nodiscard]] const TreeConfig& config() const { return config_; }
  [[nodiscard]] const Standing& standing() const { return standing_; }
  [[nodiscard]] const ManifestPointer& manifest() const { return standing_.manifest; }
  [[nodiscard]] const scanner::DriftSet& drift() const { return drift_; }
  [[nodiscard]] const std::string& scan_failure() const { return scan_failure_; }
  [[nodiscard]] bool watching_events() const { return watching_events_; }
  [[nodiscard]] std::chrono::seconds full_interval() const { return config_.full_scan; }
  [[nodiscard]] std::chrono::seconds quick_interval() const;
  [[nodiscard]] TreeSnapshot snapshot(std::int64_t now, BootTime boot_now) const;

 private:
  void forget_scans();
  void count_totals();
  void count(const scanner::DriftChanges& changes);
  [[nodiscard]] std::set<UnknownReason> unknown_reasons(BootTime boot_now) const;
  scanner::DriftChanges apply(scanner::ScanResult result, const scanner::Scope& newer, std::int64_t now);

  [[nodiscard]] scanner::Pending pending_rule() const;
  [[nodiscard]] bool is_excused() const { return pending_rule() == scanner::Pending::excused; }

  TreeConfig config_;
  Standing standing_;
  BootTime deadline_{};  ///< of the deploy that is under way
  bool timed_out_ = false;
  std::string exactly_;
  std::uint64_t drift_version_ = 0;
  scanner::DriftSet drift_;
  std::optional<Identity> judged_by_;
  bool complete_ = false;
  std::string scan_failure_;
  BootTime last_full_{};
  BootTime last_look_{};  ///< at every path, by a full or a quick scan
  scanner::Scope newer_;  ///< rescanned since the running scan began
  /// Of drift_, counted when it changes: it may be large, and snapshots are many.
  struct Totals {
    std::map<scanner::DriftKind, std::uint64_t> drift;
    std::map<scanner::UnverifiedReason, std::uint64_t> unverified;  ///< a reason, once seen, stays
    std::int64_t oldest_open_drift = 0;
  };
  Totals totals_;
  bool watching_events_ = false;
  std::string polling_reason_;
  bool stalled_ = false;
  ScanStatistics full_;
  ScanStatistics quick_;
  TreeCounters counters_;
};

}  // namespace driftd::daemon
