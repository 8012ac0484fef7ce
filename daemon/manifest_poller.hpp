#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/config.hpp"
#include "daemon/standing.hpp"
#include "daemon/tree_place.hpp"
#include "daemon/workers.hpp"

namespace driftd::daemon {

/// Looks every second whether one tree's manifest, signatures, keys or root are others than before, and if so decides
/// anew which manifest is in force. Lives on the io_context's thread.
class ManifestPoller : public std::enable_shared_from_this<ManifestPoller> {
 public:
  struct Decided {
    Standing standing;
    bool root_moved;   ///< the root is another directory than at the decision before
    bool is_reloaded;  ///< because reload() asked for it
  };

  /// Who is told, and asked. A stopped poller calls none of them.
  struct Owner {
    std::function<std::shared_ptr<const Config>()> config;
    std::function<Standing()> before;  ///< the last decision, or what is known instead
    std::function<void(TreePlace)> located;
    std::function<void(Decided)> decided;
    std::function<void()> root_moved;  ///< and what its manifest says is not settled yet
  };

  /// `store` is touched in Workers::record only. All but `owner` outlive this object.
  ManifestPoller(boost::asio::io_context& io, Workers& workers, std::shared_ptr<TreeThreads> threads, StateStore& store,
                 TreeConfig tree, Owner owner)
      : workers_(workers),
        threads_(std::move(threads)),
        store_(store),
        tree_(std::move(tree)),
        owner_(std::move(owner)),
        timer_(io) {}

  void start() { poll(); }
  void stop();
  /// Reads manifest and keys again even where they look the same.
  void reload() { reload_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Look;
  struct Found;

  void poll();
  void on_look(Look look);
  void on_version(std::string fingerprint);
  void await_poll();

  void load(std::string fingerprint);
  void on_found(Found found);
  void on_decided(Standing standing, const Found& found);
  /// Whether it is to be read again soon, and counts for nothing until then.
  bool may_be_torn(const Standing& standing, const Found& found);

  Workers& workers_;
  std::shared_ptr<TreeThreads> threads_;
  StateStore& store_;
  const TreeConfig tree_;
  Owner owner_;
  bool stopped_ = false;

  boost::asio::steady_timer timer_;
  std::string fingerprint_;  ///< of the files that were last loaded
  std::string root_;         ///< identity of the root directory then
  bool loading_ = false;
  bool reload_ = false;
  bool retried_ = false;
  std::optional<Clock::time_point> load_again_at_;  ///< though everything looks the same
  Clock::time_point torn_until_{};                  ///< the files are given this time to come to fit
};

}  // namespace driftd::daemon
