#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scanner/dirty_paths.hpp"
#include "scanner/known_files.hpp"
#include "scanner/tree_root.hpp"
#include "scanner/watcher.hpp"

namespace driftd::scanner {

/// A tree as it is watched.
struct WatchedTree {
  std::string place;  ///< of the root, with links resolved
  TreeRoot::Identity root;
  FileHandle handle;                        ///< of the root
  std::shared_ptr<const DirtyPaths> paths;  ///< never null
  KnownFiles known;
};

/// Of each tree the events that may concern it, so that what happens outside of all is asked for once, and not once a
/// tree. All trees were reached by the same mount, and it asks no other. Leaves out only what is surely outside.
std::vector<std::vector<WatchEvent>> sieve(const std::vector<WatchEvent>& events,
                                           const std::vector<WatchedTree>& trees);

}  // namespace driftd::scanner
