#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/scope.hpp"
#include "scanner/watcher.hpp"

namespace driftd::scanner {

/// Turns watch events into paths of trees: where the directory stands now, by its handle. A directory that is gone
/// has no path; the event of its removal names it in its parent. Not thread-safe.
class DirtyPaths {
 public:
  /// A tree by any name that is unique; replaces the one of that name. Fails where the root cannot be opened.
  manifests::Result<void> add_tree(const std::string& name, const std::string& root);
  void remove_tree(const std::string& name) { trees_.erase(name); }

  /// Events outside all trees are dropped.
  [[nodiscard]] std::map<std::string, Scope> resolve(const std::vector<WatchEvent>& events) const;

 private:
  struct Tree {
    manifests::UniqueFd root;
    std::array<int, 2> file_system{};
  };

  std::map<std::string, Tree> trees_;
};

}  // namespace driftd::scanner
