#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/config.hpp"
#include "daemon/drift_recorder.hpp"
#include "daemon/history_store.hpp"
#include "daemon/manifest_poller.hpp"
#include "daemon/release_finder.hpp"
#include "daemon/scan_job.hpp"
#include "daemon/touch_recorder.hpp"
#include "daemon/tree_coverage.hpp"
#include "daemon/tree_place.hpp"
#include "daemon/tree_state.hpp"
#include "daemon/watch_hub.hpp"
#include "daemon/workers.hpp"
#include "scanner/evidence_watcher.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// What monitors share. All of it outlives them.
struct MonitorContext {
  boost::asio::io_context& io;
  Workers& workers;
  WatchHub& hub;
  StateStore& store;                                      ///< touched in Workers::record only
  HistoryStore& history;                                  ///< likewise
  TouchStore& touches;                                    ///< likewise
  scanner::EvidenceWatcher* evidence;                     ///< null: it is not known who makes changes
  std::shared_ptr<const Config> config;                   ///< replaced by a reload
  std::shared_ptr<const TreePlaces> places;               ///< of all trees, replaced when one is elsewhere
  std::chrono::steady_clock::time_point places_known_by;  ///< whose place is not known then is where it is written
  std::function<void(const std::string& tree, const TreePlace&)> located;  ///< a tree has been found there
  std::function<void()> publish;                                           ///< something that outputs show has changed
  std::function<void(double)> detected;  ///< seconds from a change event to its published result
};

/// Keeps one tree's state true: loads its manifest when that changes, scans in full at the start and on a timer, and
/// looks again at paths that events name. Lives on the io_context's thread.
class TreeMonitor : public std::enable_shared_from_this<TreeMonitor> {
 public:
  /// `known`: what an earlier monitor of the same tree and product had decided, or empty.
  TreeMonitor(MonitorContext& context, TreeConfig config, Standing known);
  TreeMonitor(const TreeMonitor&) = delete;
  TreeMonitor& operator=(const TreeMonitor&) = delete;
  ~TreeMonitor();

  void start();
  /// No further timers; what still runs comes to nothing.
  void stop();
  /// Reads manifest and keys again even where they look the same.
  void reload();

  /// What the watcher told, of whatever tree.
  void on_watch(const std::shared_ptr<const scanner::WatchBatch>& batch);
  /// Mounts have changed, wherever.
  void on_mounts(const scanner::MountChanges& changes);
  /// MonitorContext::places has changed.
  void on_places();
  /// To be called every second: looks whether the tree's file system answers.
  void on_tick(std::chrono::steady_clock::time_point now);

  /// Wants a full scan of what is there now, at once and as fast as it goes; its number for has_scanned().
  unsigned scan_now();
  /// That scan has ended, well or not. Also where it cannot: nothing is known to compare with, or nothing answers.
  [[nodiscard]] bool has_scanned(unsigned number) const;

  [[nodiscard]] const TreeState& state() const { return state_; }
  [[nodiscard]] TreeSnapshot snapshot() const;

 private:
  using Clock = std::chrono::steady_clock;

  void on_decided(ManifestPoller::Decided decided);
  void on_root_moved();
  void forget_plan();
  /// Another tree has been found to lie elsewhere than the plan has it.
  [[nodiscard]] bool is_plan_outdated() const;
  /// Where other trees are is known, or has been waited for long enough.
  [[nodiscard]] bool may_rely_on_places() const;
  /// A scan that began after the file system had answered again has ended.
  void end_stall();

  using Pace = Workers::Pace;
  void start_scan(Depth depth, Pace pace);
  /// Another full one after that which is wanted or under way.
  void scan_again(Pace pace);
  /// For what may have changed since the scan before, or during the one that is under way.
  void look_at_everything();
  /// The scan that is wanted or under way is limited no more.
  void hurry();
  void on_scanned(Scanned scanned, const TreeFiles::Look& look);
  /// Until the next periodic scan.
  void await_scan(Clock::time_point at);

  void record(const scanner::DriftChanges& changes, Touches touches);

  void on_dirty(const scanner::Scope& dirty, Clock::time_point since);
  void arm_rescan();
  void start_rescan();
  void on_rescan(Rescanned rescanned, const TreeFiles::Look& look, unsigned generation, Clock::time_point since);

  void await_deploy_deadline();
  void end_deploy_if_done();
  /// Null where the tree cannot be another release.
  [[nodiscard]] std::unique_ptr<ReleaseFinder::Question> ask_for_release() const;
  void on_other_release(const std::string& release);

  MonitorContext& context_;
  TreeState state_;
  Standing known_;  ///< before the first decision of its own
  bool stopped_ = false;

  std::shared_ptr<TreeThreads> threads_;
  std::shared_ptr<scanner::TreeEvidence> evidence_;  ///< null: it is not known who makes changes
  std::shared_ptr<ManifestPoller> poller_;

  boost::asio::steady_timer scan_timer_;
  Clock::time_point full_scan_at_{};  ///< the next periodic one
  Clock::time_point next_scan_at_{};  ///< full or quick
  unsigned generation_ = 0;           ///< of manifest and root; results of an older one are dropped
  unsigned scan_ = 0;                 ///< the number of the scan that is wanted or under way; 0: none
  std::shared_ptr<BeginTime> scan_began_;
  Pace pace_ = Pace::free;  ///< of that scan
  Clock::time_point scan_wanted_at_{};
  std::shared_ptr<scanner::Throttle> throttle_;  ///< of that scan; null: none
  unsigned scans_ = 0;
  unsigned last_judged_ = 0;  ///< the number of the last full scan that counted, well or not
  bool again_ = false;        ///< something asked for another full scan meanwhile
  std::shared_ptr<const scanner::ScanPlan> plan_;
  std::shared_ptr<scanner::StatCache> cache_;  ///< for the manifest in force
  std::shared_ptr<TreeCoverage> coverage_;
  bool awaits_places_ = false;                    ///< a scan is wanted once it is known where other trees are
  std::optional<Clock::time_point> answered_at_;  ///< a stalled tree's file system, again

  boost::asio::steady_timer deploy_timer_;
  std::shared_ptr<ReleaseFinder> finder_;
  std::shared_ptr<DriftRecorder> recorder_;
  std::shared_ptr<TouchRecorder> touches_;

  boost::asio::steady_timer settle_timer_;
  scanner::Scope pending_;
  std::optional<Clock::time_point> pending_since_;
  bool settling_ = false;
  bool rescanning_ = false;
};

}  // namespace driftd::daemon
