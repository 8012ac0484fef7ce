#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/config.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/tree_root.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// How a tree is watched, and what its root was when that began.
struct Coverage {
  std::optional<scanner::TreeRoot::Identity> root;    ///< nothing: there was none that could be opened
  scanner::FileHandle handle;                         ///< of the root, where there are events
  std::shared_ptr<const scanner::DirtyPaths> events;  ///< tells which of the tree's paths they concern; null: polling
  std::string refusal;                                ///< where they will not be told: why
  unsigned turn = 0;                                  ///< the hub's, then
};

/// The watcher. Thread-safe.
class WatchHub {
 public:
  /// `on_batch` is called on the watcher's thread. Where events cannot be had, says why and covers nothing.
  WatchHub(WatchMode mode, scanner::OnWatchBatch on_batch);

  /// Watches the tree from now on; again after its root has moved. Asks the tree's file system, so it may hang.
  Coverage cover(const std::string& root);

  /// Whether the root is what it was, on the same mount, and its changes are told as far as they were. Asks the tree's
  /// file system likewise.
  [[nodiscard]] bool still_holds(const std::string& root, const Coverage& coverage);

  /// The watcher to be tried: the one in use, or where there is none a new one. Null: none is to be had, or wanted.
  std::shared_ptr<scanner::Watcher> on_trial();
  /// What was tried may be used. True: it is new, and all is to be covered anew.
  bool passed(const std::shared_ptr<scanner::Watcher>& watcher);

  /// The watcher has ended: nothing is covered any more, and cover() says why.
  void lost(std::string why);

 private:
  /// The one in use, or null; with turn and refusal.
  [[nodiscard]] std::shared_ptr<scanner::Watcher> watcher(Coverage& coverage);

  const WatchMode mode_;
  const scanner::OnWatchBatch on_batch_;
  std::mutex mutex_;
  unsigned turn_ = 0;  ///< another with each change of the watcher
  std::string refusal_;
  std::shared_ptr<scanner::Watcher> watcher_;
};

}  // namespace driftd::daemon
