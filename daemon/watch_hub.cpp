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

manifests::Result<std::shared_ptr<const scanner::DirtyPaths>> WatchHub::cover(const std::string& root) {
  std::shared_ptr<scanner::Watcher> watcher;
  {
    const std::lock_guard lock(mutex_);
    if (!watcher_) return Error{ErrorCode::io, refusal_};
    watcher = watcher_;
  }
  if (auto watched = watcher->watch(root); !watched) return watched.error();
  auto paths = scanner::DirtyPaths::of(root);
  if (!paths) return paths.error();
  return std::make_shared<const scanner::DirtyPaths>(std::move(*paths));
}

void WatchHub::lost(std::string why) {
  const std::lock_guard lock(mutex_);
  watcher_.reset();
  refusal_ = std::move(why);
}

}  // namespace driftd::daemon
