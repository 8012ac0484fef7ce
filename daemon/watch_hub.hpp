#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/config.hpp"
#include "manifests/error.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/scope.hpp"
#include "scanner/watcher.hpp"

namespace driftd::daemon {

/// The watcher and what it watches. Belongs to one thread, that of Workers::look, apart from the constructor.
class WatchHub {
 public:
  /// `on_batch` is called on the watcher's thread. Where events cannot be had, says why and covers nothing.
  WatchHub(WatchMode mode, scanner::OnWatchBatch on_batch);

  /// Watches the tree from now on; again after its root has moved. The error says why its changes will not be told.
  manifests::Result<void> cover(const std::string& tree, const std::string& root);
  void uncover(const std::string& tree) { paths_.remove_tree(tree); }

  /// The watcher has ended: nothing is covered any more, and cover() says why.
  void lost(std::string why);

  /// Which paths of which trees the events concern.
  [[nodiscard]] std::map<std::string, scanner::Scope> resolve(const std::vector<scanner::WatchEvent>& events) const {
    return paths_.resolve(events);
  }

 private:
  std::string refusal_;
  scanner::DirtyPaths paths_;
  std::unique_ptr<scanner::Watcher> watcher_;
};

}  // namespace driftd::daemon
