#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/event_sieve.hpp"
#include "daemon/tree_files.hpp"
#include "daemon/watch_hub.hpp"
#include "daemon/workers.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/mount_watcher.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// Keeps one tree covered by change events as far as they can be had, turns them into paths, and announces it where
/// some may have been missed. Lives on the io_context's thread.
class TreeCoverage : public std::enable_shared_from_this<TreeCoverage> {
 public:
  using Clock = std::chrono::steady_clock;

  /// Who is told, and asked. Nobody is after stop().
  struct Owner {
    std::function<std::string()> place;    ///< of the root, with links resolved
    std::function<unsigned()> generation;  ///< of manifest and root; a new one is scanned in any case
    /// From now on by events; or not, and why.
    std::function<void(bool events, const std::string& refusal)> watching;
    std::function<void(const scanner::Dirty&, Clock::time_point since)> dirty;
    std::function<void()> missed;  ///< anything may have changed
    std::function<void()> lost;    ///< likewise, and it may happen often
  };

  /// `root` as configured.
  TreeCoverage(boost::asio::io_context& io, Workers& workers, std::shared_ptr<TreeThreads> threads, WatchHub& hub,
               EventSieve& sieve, std::string name, std::string root, Owner owner);
  void stop();

  /// Watches the tree as it is now, and then does `then`.
  void cover(std::function<void()> then);

  /// Which directory that was; nothing where there was none.
  [[nodiscard]] const std::optional<scanner::TreeRoot::Identity>& root() const { return coverage_.root; }

  /// As TreeFiles; what a look may have missed is dirty.
  std::shared_ptr<TreeFiles::Look> begin_look(TreeFiles::Seen sees) { return files_.begin_look(sees); }
  void end_look(const TreeFiles::Look& look, TreeFiles::Seen seen, const ManifestPointer& manifest,
                std::vector<scanner::KnownFile> files, scanner::StatCache& cache);

  /// To be called every second: looks every minute whether all is still as it was.
  void on_tick(Clock::time_point now);
  void on_batch(const std::shared_ptr<const scanner::WatchBatch>& batch);
  void on_mounts(const scanner::MountChanges& changes);

  /// For how long no events have come through that others share the way with.
  [[nodiscard]] Clock::duration standstill(Clock::time_point now) const;

 private:
  void adopt(Coverage coverage);
  /// At which of the tree's paths they happened.
  void look_up(const EventSieve::Events& events, Clock::time_point since);
  enum class Change { perhaps, surely };
  /// Looks whether what is watched is still what is there, and if not covers it again.
  void check(Change change);
  /// The root's place is not what it was. A new release may be the cause, and who looks for those decides first.
  void look_at_everything_soon();
  void look_for_what_was_lost();

  Workers& workers_;
  std::shared_ptr<TreeThreads> threads_;
  WatchHub& hub_;
  EventSieve& sieve_;
  const std::string name_;
  const std::string root_;
  Owner owner_;
  bool stopped_ = false;

  Coverage coverage_;
  std::string logged_;
  TreeFiles files_;
  std::size_t waiting_events_ = 0;  ///< being turned into paths
  bool checking_ = false;
  std::optional<Change> check_again_;  ///< mounts have changed since it began
  Clock::time_point next_check_{};
  boost::asio::steady_timer soon_;
  boost::asio::steady_timer loss_timer_;
  bool is_loss_due_ = false;
  Clock::time_point last_loss_{};  ///< when it was last looked for
  Clock::duration loss_interval_{};
  bool is_look_due_ = false;
  unsigned look_wanted_in_ = 0;  ///< the generation that was there when it was last asked for
};

}  // namespace driftd::daemon
