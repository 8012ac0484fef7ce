#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "daemon/config.hpp"
#include "daemon/standing.hpp"
#include "daemon/tree_place.hpp"
#include "daemon/tree_state.hpp"
#include "daemon/work_thread.hpp"
#include "manifests/error.hpp"
#include "scanner/evidence_watcher.hpp"
#include "scanner/scan.hpp"
#include "scanner/stat_cache.hpp"

namespace driftd::daemon {

/// Of work on another thread; the epoch: not yet.
using BeginTime = std::atomic<std::chrono::steady_clock::time_point>;

enum class Pace : std::uint8_t {
  free,     ///< as fast as it goes, at low priority
  limited,  ///< by `limits`, with all others that are
};

/// A scan of a whole tree, for a thread that may wait for disks: plain values, made by who owns the tree's state.
struct ScanJob {
  Depth depth = Depth::full;
  std::shared_ptr<const Config> config;
  std::shared_ptr<const TreePlaces> places;
  TreeConfig tree;
  ManifestPointer manifest;
  ManifestPointer previous;
  unsigned generation = 0;                        ///< of manifest and root, handed through
  std::shared_ptr<scanner::Throttle> throttle;    ///< the daemon's; null: as fast as it goes
  std::shared_ptr<const scanner::ScanPlan> plan;  ///< of the scan before it, but for the accounts; null: it makes one
  std::shared_ptr<scanner::StatCache> cache;      ///< made for this manifest
  std::shared_ptr<BeginTime> began;  ///< told when the scan begins, which may be long after it was asked for

  std::optional<scanner::TreeRoot::Identity> root{};  ///< as it is watched; nothing: there was none to be watched
  bool is_polled = false;                             ///< no events tell of changes

  /// Null: nobody watches who makes changes.
  std::shared_ptr<scanner::TreeEvidence> evidence;
  std::stop_token given_up{};  ///< the result is not wanted any more
};

struct Scanned {
  Depth depth;
  unsigned generation;
  std::shared_ptr<const scanner::ScanPlan> plan;
  manifests::Result<scanner::ScanResult> result;
  std::chrono::steady_clock::time_point began;
  std::chrono::duration<double> duration;
};

/// A scan of some paths.
struct Rescanned {
  std::shared_ptr<const scanner::ScanPlan> plan;  ///< the one asked for, or one like it with newer accounts
  manifests::Result<scanner::ScanResult> result;
  std::chrono::steady_clock::time_point began;
};

/// Never throws: an exception (no memory, no threads) fails the scan, which shows, rather than end the daemon.
Scanned run(const ScanJob& job, const WorkContext& context);

/// As scanner::scan() of paths at which something has happened, and never throws. `evidence` may be null. `given_up`:
/// as in ScanJob.
Rescanned rescan(std::shared_ptr<const scanner::ScanPlan> plan, const scanner::Scope& scope,
                 scanner::ScanOptions options, scanner::TreeEvidence* evidence, const WorkContext& context,
                 const std::stop_token& given_up = {});

}  // namespace driftd::daemon
