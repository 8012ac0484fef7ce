#include "daemon/watch_hub.hpp"

#include <utility>

namespace driftd::daemon {

using manifests::Error;
using manifests::ErrorCode;

WatchHub::WatchHub(WatchMode mode, scanner::OnWatchBatch on_batch) {
  if (mode == WatchMode::polling) {
    refusal_ = "the configuration says watch: polling";
    return;
  }
  auto watcher = scanner::make_fanotify_watcher(std::move(on_batch));
  if (watcher) {
    watcher_ = std::move(*watcher);
  } else {
    refusal_ = watcher.error().message;
  }
}

manifests::Result<void> WatchHub::cover(const std::string& tree, const std::string& root) {
  if (!watcher_) return Error{ErrorCode::io, refusal_};
  if (auto watched = watcher_->watch(root); !watched) return watched;
  return paths_.add_tree(tree, root);
}

void WatchHub::lost(std::string why) {
  watcher_.reset();
  refusal_ = std::move(why);
}

}  // namespace driftd::daemon
