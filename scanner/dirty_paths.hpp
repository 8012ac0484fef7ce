#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanner/known_files.hpp"
#include "scanner/scope.hpp"
#include "scanner/tree_root.hpp"
#include "scanner/watcher.hpp"

namespace driftd::scanner {

/// Where something has happened in a tree.
struct Dirty {
  Scope paths{};          ///< known to have been touched, whatever their times say
  bool anywhere = false;  ///< and at paths that nobody knows

  [[nodiscard]] bool empty() const { return !anywhere && paths.empty(); }
};

/// Turns watch events into paths of one tree: where the directory stands now, by its handle. A directory that is gone
/// has no path; the event of its removal names it in its parent. Holds nothing open, so that nobody who unmounts the
/// file system is in its way.
class DirtyPaths {
 public:
  /// `root` may be a link and was `identity` when the watch began; `file_system` is what its events name.
  DirtyPaths(std::string root, const TreeRoot::Identity& identity, const FileSystemId& file_system)
      : root_(std::move(root)), identity_(identity), file_system_(file_system) {}

  /// Whether the event is of the tree's file system. Asks nobody.
  [[nodiscard]] bool may_concern(const WatchEvent& event) const { return event.file_system == file_system_; }

  /// A file that is known leads to its paths, whatever name was used. Events outside the tree, and by names that are
  /// gone, lead nowhere else. Nothing: the root is another directory now, or none, so that what the events are about
  /// cannot be told.
  [[nodiscard]] std::optional<Dirty> look_up(const std::vector<WatchEvent>& events, const KnownFiles& known = {}) const;
  /// The same; the whole tree where it may be anywhere.
  [[nodiscard]] std::optional<Scope> resolve(const std::vector<WatchEvent>& events, const KnownFiles& known = {}) const;

 private:
  std::string root_;
  TreeRoot::Identity identity_;
  FileSystemId file_system_;
};

}  // namespace driftd::scanner
