#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "manifests/error.hpp"

namespace driftd::scanner {

/// Mounts that came, went or have other options now. May be empty though something has happened: what is unmounted and
/// mounted again at once looks as it did.
struct MountChanges {
  std::set<std::uint64_t> mounts;  ///< their numbers, as TreeRoot::Identity::mount
  std::set<std::string> points;    ///< where: absolute, without links
  std::string failure;             ///< set where no further changes will be told; says why
};

/// What differs between two states of /proc/self/mountinfo (proc_pid_mountinfo(5)).
MountChanges compare_mounts(std::string_view before, std::string_view after);

/// Tells that mounts have changed in this process's mount namespace.
class MountWatcher {
 public:
  virtual ~MountWatcher() = default;

  /// `on_change` is called on the watcher's own thread, so it must not block; a burst of changes is one call, about a
  /// tenth of a second after it began. Destruction ends the thread.
  static manifests::Result<std::unique_ptr<MountWatcher>> start(std::function<void(MountChanges)> on_change);
};

}  // namespace driftd::scanner
