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
  std::shared_ptr<const scanner::DirtyPaths> events;  ///< tells which of the tree's paths they concern; null: polling
  std::string refusal;                                ///< why its changes will not be told
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

  /// The watcher has ended: nothing is covered any more, and cover() says why.
  void lost(std::string why);

 private:
  [[nodiscard]] std::shared_ptr<scanner::Watcher> watcher();

  std::mutex mutex_;
  std::string refusal_;
  std::shared_ptr<scanner::Watcher> watcher_;
};

}  // namespace driftd::daemon
