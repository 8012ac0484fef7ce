#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/scan_job.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/watch_hub.hpp"
#include "daemon/workers.hpp"
#include "manifests/error.hpp"
#include "scanner/tree_root.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// Proves at the start and every minute that change events arrive, by one of its own: a file in the state directory is
/// opened for writing, and nothing is written. A watcher that does not tell of it in time is not relied on any more,
/// and one that is made in its place is not before it has told. Lives on the io_context's thread.
class WatchProbe : public std::enable_shared_from_this<WatchProbe> {
 public:
  using Clock = std::chrono::steady_clock;

  struct Owner {
    std::function<void(std::string why)> failed;  ///< WatchHub::lost() is to follow
    std::function<void()> recovered;              ///< events can be had again
  };

  WatchProbe(Workers& workers, WatchHub& hub, const std::string& state_directory, Owner owner)
      : workers_(workers), hub_(hub), directory_(state_directory + "/watch-probe"), owner_(std::move(owner)) {}

  /// To be called every second.
  void on_tick(Clock::time_point now);
  /// What any watcher told.
  void on_batch(const scanner::WatchBatch& batch);
  /// The next one at once.
  void hurry() { next_ = {}; }

  [[nodiscard]] const WatchProbeResults& results() const { return results_; }

 private:
  /// The event that is waited for.
  struct Sign {
    scanner::FileSystemId file_system;
    scanner::FileHandle directory;
  };
  static manifests::Result<Sign> prepare(const std::string& directory, scanner::Watcher& watcher);

  void begin();
  void on_prepared(const manifests::Result<Sign>& sign);
  /// As where the state directory is on an overlay, which gives no events: nothing is proved, and nothing refuted.
  void give_up(const std::string& why);
  void pass();
  void fail();

  Workers& workers_;
  WatchHub& hub_;
  const std::string directory_;
  Owner owner_;

  Clock::time_point next_{};
  bool preparing_ = false;
  std::shared_ptr<scanner::Watcher> watcher_;  ///< on trial
  std::optional<Sign> sign_;                   ///< nothing: none is waited for
  std::shared_ptr<BeginTime> changed_;         ///< the file
  unsigned ticks_ = 0;                         ///< since then
  WatchProbeResults results_;
  std::string told_;  ///< why it cannot be done, as last logged
};

}  // namespace driftd::daemon
