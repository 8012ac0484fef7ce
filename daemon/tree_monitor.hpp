#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/config.hpp"
#include "daemon/drift_recorder.hpp"
#include "daemon/history_store.hpp"
#include "daemon/release_finder.hpp"
#include "daemon/scan_job.hpp"
#include "daemon/tree_state.hpp"
#include "daemon/watch_hub.hpp"
#include "daemon/workers.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"

namespace driftd::daemon {

/// What monitors share. All of it outlives them.
struct MonitorContext {
  boost::asio::io_context& io;
  Workers& workers;
  WatchHub& hub;                         ///< touched in Workers::look only
  StateStore& store;                     ///< likewise
  HistoryStore& history;                 ///< likewise
  std::shared_ptr<const Config> config;  ///< replaced by a reload
  std::function<void()> publish;         ///< something that outputs show has changed
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

  void start();
  /// No further timers; what still runs comes to nothing.
  void stop();
  /// Reads manifest and keys again even where they look the same.
  void reload();

  void on_dirty(const scanner::Scope& dirty, std::chrono::steady_clock::time_point since);
  void on_events(std::uint64_t count, bool overflow);
  void on_watch_lost();

  [[nodiscard]] const TreeState& state() const { return state_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Loaded;

  void poll();
  void load(std::string fingerprint);
  void on_loaded(Loaded loaded, std::string fingerprint);

  enum class Pace { free, limited };
  void start_scan(Depth depth, Pace pace);
  void on_covered(const manifests::Result<void>& covered);
  void on_scanned(Scanned scanned);
  /// Until the next periodic scan.
  void await_scan(Clock::time_point at);

  void arm_rescan();
  void start_rescan();
  void on_rescan(manifests::Result<scanner::ScanResult> result, unsigned generation, unsigned scan,
                 std::chrono::steady_clock::time_point since);

  void await_deploy_deadline();
  void end_deploy_if_done();
  /// Null where the tree cannot be another release.
  [[nodiscard]] std::unique_ptr<ReleaseFinder::Question> ask_for_release() const;
  void on_other_release(const std::string& release);

  MonitorContext& context_;
  TreeState state_;
  Standing known_;  ///< before the first decision of its own
  bool stopped_ = false;

  boost::asio::steady_timer poll_timer_;
  std::string fingerprint_;  ///< of the files that were last loaded
  std::string root_;         ///< identity of the root directory then
  bool loading_ = false;
  bool reload_ = false;  ///< load even what looks the same
  bool retried_ = false;
  std::optional<Clock::time_point> load_again_at_;  ///< though everything looks the same
  Clock::time_point torn_until_{};                  ///< the files are given this time to come to fit

  boost::asio::steady_timer scan_timer_;
  Clock::time_point full_scan_at_{};  ///< the next periodic one
  unsigned generation_ = 0;           ///< of manifest and root; results of an older one are dropped
  unsigned scan_ = 0;                 ///< the running scan's number; 0: none
  unsigned scans_ = 0;
  bool again_ = false;  ///< something asked for another full scan meanwhile
  std::shared_ptr<const scanner::ScanPlan> plan_;
  std::shared_ptr<scanner::StatCache> cache_;  ///< for the manifest in force
  std::string logged_watch_;

  boost::asio::steady_timer deploy_timer_;
  std::shared_ptr<ReleaseFinder> finder_;
  std::shared_ptr<DriftRecorder> recorder_;

  boost::asio::steady_timer settle_timer_;
  scanner::Scope pending_;
  std::optional<Clock::time_point> pending_since_;
  bool settling_ = false;
  bool rescanning_ = false;
};

}  // namespace driftd::daemon
