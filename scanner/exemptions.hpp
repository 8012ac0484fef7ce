#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {

/// Paths inside a tree that are not the manifest's business: the manifest with its signatures, and the roots of trees
/// nested in this one. Directories on the way to one of them are nobody's business either, if nothing lists them;
/// what else they hold is.
class Exemptions {
 public:
  enum class Verdict {
    none,
    manifest,  ///< the tree's own manifest or a signature of it
    nested,    ///< another tree's root: leave it out with all below, even where an entry lists it; but not a link
    passage,   ///< a directory on the way to one of them
  };

  void add_manifest(const manifests::RelPath& path);
  void add_nested_tree(const manifests::RelPath& root);

  /// Rules for the names in one directory.
  class Directory {
   public:
    [[nodiscard]] Verdict judge(std::string_view name) const;
    bool operator==(const Directory&) const = default;

   private:
    friend class Exemptions;
    std::vector<std::string> manifests_;
    std::vector<std::string> nested_;
    std::vector<std::string> passages_;
  };

  /// Null where no rule concerns the directory's names: the common case, asked once a directory. `directory` is raw
  /// bytes below the root, `.` for the root.
  [[nodiscard]] const Directory* in(std::string_view directory) const;

  bool operator==(const Exemptions&) const = default;

 private:
  Directory& at(const manifests::RelPath& path);

  std::map<std::string, Directory, std::less<>> directories_;
};

}  // namespace driftd::scanner
