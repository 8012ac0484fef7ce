#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/state_store.hpp"
#include "daemon/verdict.hpp"
#include "manifests/error.hpp"
#include "scanner/finding.hpp"

/// Plain values: all that outputs may know of the daemon. Times are seconds since 1970.
namespace driftd::daemon {

enum class UnknownReason : std::uint8_t { unverified, manifest, key_revoked, scanning, deploying, overdue };
std::string_view to_string(UnknownReason reason);

/// The manifest in force.
struct ManifestInfo {
  std::string release;
  std::string content;  ///< `blake3:HEX`
  std::vector<std::string> key_ids;
  std::vector<std::string> overrides;
  std::uint64_t sequence = 0;
  std::uint64_t entries = 0;
  std::uint64_t unchecked_rules = 0;
  std::int64_t created = 0;
  std::optional<std::int64_t> expires;
  bool expired = false;
};

struct ScanStatistics {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  double last_success = 0;   ///< 0: never
  double last_duration = 0;  ///< seconds
  double interval = 0;       ///< seconds; 0: no such scans
  double next = 0;           ///< 0: one is under way, or a scan of the other kind comes first
};

struct TreeCounters {
  std::uint64_t manifest_rejections = 0;
  std::uint64_t hashed_bytes = 0;
  std::uint64_t hashed_files = 0;
  std::uint64_t drift_detected = 0;
  std::uint64_t drift_resolved = 0;
  std::uint64_t watch_events = 0;
  std::uint64_t watch_overflows = 0;
};

struct TreeSnapshot {
  std::string name;
  std::string root;  ///< as it is written in the configuration
  Labels labels;
  double verdict_since = 0;  ///< in this process; 0: not known
  std::set<UnknownReason> unknown;
  std::optional<ManifestInfo> manifest;
  std::optional<manifests::Error> manifest_problem;
  bool deploy_in_progress = false;
  std::string deploying_from;        ///< the release before, while a deploy is under way or stuck
  std::uint64_t deploy_pending = 0;  ///< paths that are still as the release before has them
  std::string exactly;               ///< the release that the tree is as a whole, where it is an older one
  bool clock_suspect = false;        ///< the host's clock is behind what was signed
  bool trust_reset = false;          ///< somebody gave up what was remembered of its releases
  std::map<scanner::DriftKind, std::uint64_t> drift;  ///< open findings by kind; another release as a whole is one
  std::map<scanner::UnverifiedReason, std::uint64_t> unverified;
  std::int64_t oldest_open_drift = 0;  ///< 0: none
  ScanStatistics full;
  ScanStatistics quick;
  TreeCounters counters;
  bool watching_events = false;
  std::string polling_reason;  ///< why it is not watched by events
  bool stalled = false;        ///< its file system does not answer
  bool scanning = false;       ///< a scan of the whole tree is under way, or waits for its turn
  std::string scan_failure;    ///< why the last one could not be made; empty: it could

  [[nodiscard]] std::uint64_t drifted_paths() const;
  [[nodiscard]] Verdict verdict() const;
};

/// Cumulative counts for the upper bounds of kLatencyBounds, as Prometheus histograms have them.
inline constexpr std::array kLatencyBounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0};
struct LatencyHistogram {
  std::array<std::uint64_t, kLatencyBounds.size()> cumulative{};
  std::uint64_t count = 0;
  double sum = 0;

  void observe(double seconds);
};

/// Of changes that the daemon makes itself, to see whether they are told.
struct WatchProbeResults {
  std::uint64_t failures = 0;
  std::uint64_t omissions = 0;  ///< it could not be made
  double latency = 0;           ///< seconds until the last one was told; 0: none yet
};

struct Snapshot {
  std::vector<TreeSnapshot> trees;
  StateStore::Protection protection = StateStore::Protection::ok;
  LatencyHistogram detection_latency;
  WatchProbeResults watch_probe;
  std::string reload_problem;  ///< why the last reload was refused; empty: it was not
  double reload_success_time = 0;
  std::string control_problem;  ///< why the control socket does not work; empty: it does

  [[nodiscard]] Verdict verdict() const;
  /// Every tree has had a complete scan of what is there now.
  [[nodiscard]] bool ready() const;
  /// Sets since when each tree's verdict has been what it is: as `before` has it, else `now`.
  void date_verdicts(const Snapshot& before, double now);
};

}  // namespace driftd::daemon
