#pragma once

#include <set>
#include <string>
#include <string_view>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {

/// The part of a tree that a scan looks at or has looked at: all of it, or some subtrees. Also the form in which
/// dirty paths are gathered: adding a path swallows those below it.
class Scope {
 public:
  static Scope whole();
  /// Nothing yet.
  Scope() = default;

  void add(const manifests::RelPath& path);
  void add_all(const Scope& other);
  void add_whole();

  [[nodiscard]] bool is_whole() const { return whole_; }
  [[nodiscard]] bool empty() const { return !whole_ && paths_.empty(); }
  /// Subtrees, none below another; empty where is_whole().
  [[nodiscard]] const std::set<manifests::RelPath>& paths() const { return paths_; }

  /// `path` as in Finding: raw bytes below the root, `.` for the root. The root is covered by the whole tree only.
  [[nodiscard]] bool covers(std::string_view path) const;

 private:
  bool whole_ = false;
  std::set<manifests::RelPath> paths_;
};

}  // namespace driftd::scanner
