#include "daemon/watch_hub.hpp"

#include <fcntl.h>

#include <cerrno>
#include <utility>

#include "manifests/error.hpp"

namespace driftd::daemon {

namespace {

using manifests::Result;
using scanner::TreeRoot;

/// The root's handle. Events name directories by those; where they cannot be opened again nobody can tell what happened
/// where.
Result<scanner::FileHandle> usable_handle(const TreeRoot& root) {
  auto handle = scanner::handle_of(root.fd.get(), "");
  if (!handle) return handle;
  const auto opened = scanner::open_by_handle(root.fd.get(), *handle, O_PATH);
  if (!opened) return manifests::system_error("open_by_handle_at", errno);
  return handle;
}

}  // namespace

WatchHub::WatchHub(WatchMode mode, scanner::OnWatchBatch on_batch) : mode_(mode), on_batch_(std::move(on_batch)) {
  if (mode == WatchMode::polling) refusal_ = "the configuration says watch: polling";
  watcher_ = on_trial();
}

std::shared_ptr<scanner::Watcher> WatchHub::on_trial() {
  const std::lock_guard lock(mutex_);
  if (watcher_ || mode_ == WatchMode::polling) return watcher_;
  auto watcher = scanner::make_fanotify_watcher(on_batch_);
  if (watcher) return std::move(*watcher);
  refusal_ = watcher.error().message;
  return nullptr;
}

bool WatchHub::passed(const std::shared_ptr<scanner::Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  if (watcher_) return false;
  watcher_ = watcher;
  ++turn_;
  return true;
}

Coverage WatchHub::cover(const std::string& root) {
  Coverage coverage;
  const auto watcher = this->watcher(coverage);
  const auto opened = TreeRoot::open(root);
  if (!opened) {
    coverage.refusal = opened.error().message;
    return coverage;
  }
  coverage.root = opened->identity;
  if (!watcher) return coverage;
  if (scanner::is_remote(root)) {
    coverage.refusal = "a file system of which this host need not know all changes";
    return coverage;
  }
  const auto file_system = watcher->watch(*opened);
  auto handle = file_system ? usable_handle(*opened) : file_system.error();
  if (handle) {
    coverage.handle = std::move(*handle);
    coverage.events = std::make_shared<const scanner::DirtyPaths>(root, opened->identity, *file_system);
  } else {
    coverage.refusal = handle.error().message;
  }
  return coverage;
}

bool WatchHub::still_holds(const std::string& root, const Coverage& coverage) {
  Coverage now;
  const auto watcher = this->watcher(now);
  const auto opened = TreeRoot::open(root);
  if (now.turn != coverage.turn || opened.has_value() != coverage.root.has_value()) return false;
  if (!opened) return true;
  return opened->identity == *coverage.root && (!coverage.events || watcher->is_watching(*opened));
}

std::shared_ptr<scanner::Watcher> WatchHub::watcher(Coverage& coverage) {
  const std::lock_guard lock(mutex_);
  coverage.turn = turn_;
  coverage.refusal = refusal_;
  return watcher_;
}

void WatchHub::lost(std::string why) {
  const std::lock_guard lock(mutex_);
  watcher_.reset();
  ++turn_;
  refusal_ = std::move(why);
}

}  // namespace driftd::daemon
