#pragma once

#include <set>
#include <string_view>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {

/// The part of a tree that a scan looks at or has looked at: all of it, or some subtrees. Also the form in which
/// dirty paths are gathered: adding a path swallows those below it.
class Scope {
 public:
  /// `/` sorts before every other byte, so that a path is followed by all that lies below it: "a", "a/c", "a-b".
  struct Order {
    using is_transparent = void;
    bool operator()(const manifests::RelPath& one, const manifests::RelPath& other) const {
      return is_before(one.str(), other.str());
    }
    bool operator()(const manifests::RelPath& one, std::string_view other) const { return is_before(one.str(), other); }
    bool operator()(std::string_view one, const manifests::RelPath& other) const { return is_before(one, other.str()); }
    static bool is_before(std::string_view one, std::string_view other);
  };
  using Paths = std::set<manifests::RelPath, Order>;

  static Scope whole();
  /// Nothing yet.
  Scope() = default;

  void add(const manifests::RelPath& path);
  void add_all(const Scope& other);
  void add_whole();

  [[nodiscard]] bool is_whole() const { return whole_; }
  [[nodiscard]] bool empty() const { return !whole_ && paths_.empty(); }
  /// Subtrees, none below another; empty where is_whole().
  [[nodiscard]] const Paths& paths() const { return paths_; }

  /// `path` as in Finding: raw bytes below the root, `.` for the root. The root is covered by the whole tree only.
  [[nodiscard]] bool covers(std::string_view path) const;

 private:
  bool whole_ = false;
  Paths paths_;
};

}  // namespace driftd::scanner
