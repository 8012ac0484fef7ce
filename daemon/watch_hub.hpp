#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "daemon/config.hpp"
#include "manifests/error.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// The watcher. Thread-safe.
class WatchHub {
 public:
  /// `on_batch` is called on the watcher's thread. Where events cannot be had, says why and covers nothing.
  WatchHub(WatchMode mode, scanner::OnWatchBatch on_batch);

  /// Watches the tree from now on; again after its root has moved. Gives what tells which of its paths an event
  /// concerns. The error says why its changes will not be told. Asks the tree's file system, so it may hang.
  manifests::Result<std::shared_ptr<const scanner::DirtyPaths>> cover(const std::string& root);

  /// The watcher has ended: nothing is covered any more, and cover() says why.
  void lost(std::string why);

 private:
  std::mutex mutex_;
  std::string refusal_;
  std::shared_ptr<scanner::Watcher> watcher_;
};

}  // namespace driftd::daemon
