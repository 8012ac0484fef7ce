#pragma once

#include <array>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/scope.hpp"
#include "scanner/watcher.hpp"

namespace driftd::scanner {

/// Turns watch events into paths of one tree: where the directory stands now, by its handle. A directory that is gone
/// has no path; the event of its removal names it in its parent.
class DirtyPaths {
 public:
  /// Fails where the root cannot be opened.
  static manifests::Result<DirtyPaths> of(const std::string& root);

  /// Whether the event is of the tree's file system. Asks nobody.
  [[nodiscard]] bool may_concern(const WatchEvent& event) const { return event.file_system == file_system_; }

  /// Events outside the tree are dropped.
  [[nodiscard]] Scope resolve(const std::vector<WatchEvent>& events) const;

 private:
  DirtyPaths() = default;

  manifests::UniqueFd root_;
  std::array<int, 2> file_system_{};
};

}  // namespace driftd::scanner
