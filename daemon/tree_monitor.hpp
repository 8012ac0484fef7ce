#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
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
#include "scanner/stat_cache.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// What monitors share. All of it outlives them.
struct MonitorContext {
  boost::asio::io_context& io;
  Workers& workers;
  std::shared_ptr<scanner::Throttle> throttle;  ///< of all limited scans
  WatchHub& hub;
  EventSieve& sieve;
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
  /// It is not known yet whether there is something to compare with: the first look for a manifest is under way.
  [[nodiscard]] bool awaits_manifest() const { return !is_decided_ && !state_.is_stalled(); }
  /// That would have to wait for another scan to end, which is as fast as it goes.
  [[nodiscard]] bool must_wait_to_scan() const {
    return awaits_places_.has_value() || (scan_ && scan_->pace == Pace::free);
  }
  /// That scan has ended, well or not. Also where it cannot: nothing is known to compare with, or nothing answers.
  [[nodiscard]] bool has_scanned(unsigned number) const;

  [[nodiscard]] const TreeState& state() const { return state_; }
  /// What was decided last, be it by an earlier monitor.
  [[nodiscard]] const Standing& last_decision() const { return is_decided_ ? state_.standing() : known_; }
  [[nodiscard]] TreeSnapshot snapshot() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A full scan that was overtaken by others, and has ended.
  struct Overtaken {
    unsigned number = 0;
    Clock::time_point began{};
    std::chrono::duration<double> duration{};
    std::uint64_t hashed_files = 0;
    std::uint64_t hashed_bytes = 0;
  };

  void on_decided(ManifestPoller::Decided decided);
  void on_root_moved();
  void forget_plan();
  /// Another tree has been found to lie elsewhere than the plan has it.
  [[nodiscard]] bool is_plan_outdated() const;
  /// Where other trees are is known, or has been waited for long enough.
  [[nodiscard]] bool may_rely_on_places() const;
  /// A scan that began after the file system had answered again has ended.
  void end_stall();

  /// A scan of the whole tree that is wanted or under way.
  struct RunningScan {
    unsigned number = 0;
    Depth depth = Depth::full;
    Pace pace = Pace::free;
    Clock::time_point wanted_at{};
    std::shared_ptr<BeginTime> began = std::make_shared<BeginTime>();
    std::stop_source given_up{};
    /// Another has begun since, so what this one saw is not the last word on any path.
    bool is_overtaken = false;
    /// Since it began.
    bool mounts_changed = false;
    /// It tells what a full one that was overtaken is good for: what that has read is known to the cache.
    std::optional<Overtaken> completes{};
  };

  // tree_scans.cpp
  void start_scan(Depth depth, Pace pace);
  void begin_job(const RunningScan& scan);
  /// Gives up the long scan where another reads all as well.
  void make_way(Depth depth);
  /// Another one after that which is wanted or under way; if that is limited, instead of it.
  void scan_again(Depth depth);
  /// For what may have changed since the scan before, or during the one that is under way.
  void look_at_everything();
  void on_scanned(unsigned number, Scanned scanned, const TreeFiles::Look& look);
  void on_overtaken(const RunningScan& ended, Scanned& scanned, const TreeFiles::Look& look);
  void on_result(const RunningScan& ended, Scanned scanned, const TreeFiles::Look& look);
  void on_failure(const RunningScan& ended, const std::string& why);
  /// With what is wanted next.
  void go_on();
  /// Until the next periodic scan.
  void await_scan(Clock::time_point at);
  /// Where the limits are too narrow for the interval, they hold, and it is said once.
  void warn_if_late(Clock::time_point now);
  /// When the scan began that is to have the last word on what it sees, or will begin if not yet.
  [[nodiscard]] std::optional<Clock::time_point> scan_began() const;

  void record(const scanner::DriftChanges& changes, Touches touches);

  // tree_looks.cpp
  void on_dirty(const scanner::Dirty& dirty, Clock::time_point since);
  /// Nobody knows what has changed. Most is looked at at once; what only reading tells is read within the time that
  /// quick scans are apart.
  void on_lost();
  /// What a look met something mounted at. A mount that has come and gone before anybody could read of it is in no
  /// table, so it is looked at again whenever mounts change, and again if that was during a look.
  void look_behind_mounts();
  /// What changed again and again while it was read is looked at again soon, though no event may come any more.
  void await_calm();
  void look_at_unstable();
  void arm_rescan();
  /// Whoever looks there from now on reads what is there: it may have changed without a trace in its times.
  void forget(const scanner::Scope& touched);
  void start_rescan();
  [[nodiscard]] scanner::ScanOptions look_options() const;
  void on_rescan(Rescanned rescanned, const TreeFiles::Look& look, unsigned generation, Clock::time_point since);
  void take(Rescanned rescanned, const TreeFiles::Look& look, const scanner::Scope& newer, Clock::time_point since);
  /// What looks leave unread, so that no large file keeps what has happened beside it from being seen.
  void read_the_rest();
  void on_read(Rescanned rescanned, const TreeFiles::Look& look, unsigned generation, Clock::time_point since);
  [[nodiscard]] bool is_to_be_read(const std::string& path) const;
  /// Another tree has been found to lie in this one since it began.
  [[nodiscard]] bool is_outdated(const Rescanned& rescanned) const;
  /// Until what is unread is read.
  void pause(Clock::duration duration);

  void await_deploy_deadline();
  void end_deploy_if_done();
  /// Null where the tree cannot be another release.
  [[nodiscard]] std::unique_ptr<ReleaseFinder::Question> ask_for_release() const;
  void on_other_release(const std::string& release);

  MonitorContext& context_;
  TreeState state_;
  Standing known_;  ///< before the first decision of its own
  bool is_decided_ = false;
  bool stopped_ = false;

  std::shared_ptr<TreeThreads> threads_;
  std::shared_ptr<scanner::TreeEvidence> evidence_;  ///< null: it is not known who makes changes
  std::shared_ptr<ManifestPoller> poller_;

  boost::asio::steady_timer scan_timer_;
  Clock::time_point full_scan_at_{};  ///< the next periodic one
  Clock::time_point next_scan_at_{};  ///< full or quick
  unsigned generation_ = 0;           ///< of manifest and root; results of an older one are dropped
  std::optional<RunningScan> scan_;
  std::optional<RunningScan> long_scan_;  ///< a limited full one; others go on beside it
  std::optional<Overtaken> overtaken_;    ///< waits for a scan that completes it
  bool is_lateness_told_ = false;
  bool has_failed_ = false;  ///< and no full scan has made up for it yet
  unsigned scans_ = 0;
  unsigned last_judged_ = 0;      ///< the number of the last full scan that counted, well or not
  std::optional<Depth> again_{};  ///< something asked for another scan meanwhile
  std::shared_ptr<const scanner::ScanPlan> plan_;
  std::shared_ptr<scanner::StatCache> cache_;  ///< for the manifest in force
  std::shared_ptr<TreeCoverage> coverage_;
  std::optional<Depth> awaits_places_{};          ///< such a scan is wanted once it is known where other trees are
  Clock::time_point lost_at_{};                   ///< when changes were last lost
  std::optional<Clock::time_point> answered_at_;  ///< a stalled tree's file system, again

  boost::asio::steady_timer deploy_timer_;
  std::shared_ptr<ReleaseFinder> finder_;
  std::shared_ptr<DriftRecorder> recorder_;
  std::shared_ptr<TouchRecorder> touches_;

  boost::asio::steady_timer calm_timer_;
  std::chrono::seconds calm_delay_{};  ///< until the next look at what is unstable
  bool is_calm_awaited_ = false;
  boost::asio::steady_timer settle_timer_;
  scanner::Dirty pending_;
  std::optional<Clock::time_point> pending_since_;
  bool settling_ = false;
  bool rescanning_ = false;

  /// What a thread of its own reads.
  struct Reading {
    scanner::Scope scope;
    Clock::time_point wanted_at{};
    scanner::Scope newer{};  ///< has been looked at since, and read
    bool mounts_changed = false;
    std::stop_source given_up{};
  };
  std::optional<Reading> reading_;
  scanner::Scope unread_;  ///< waits for that to end
  std::optional<Clock::time_point> unread_since_;
  boost::asio::steady_timer pause_timer_;
  bool is_pausing_ = false;
  bool mounts_changed_in_rescan_ = false;
};

}  // namespace driftd::daemon
