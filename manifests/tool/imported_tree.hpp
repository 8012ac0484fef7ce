#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"

namespace driftd::manifests::tool {

/// What a list in a foreign format says, gathered in any order. A directory that is not listed but holds something that
/// is counts as listed without attributes.
class ImportedTree {
 public:
  /// `path` is raw bytes below the root, `.` for the root; a leading `./` and one final slash are dropped. Refused:
  /// absolute paths, `..`, NUL, what is too long, and a path that stands twice.
  Result<void> add(std::string_view path, Entry entry);

  /// Refused: something below a file, a link or an ignored directory, and what no manifest can be.
  Result<Manifest> finish(Header header) &&;

 private:
  struct Node {
    bool listed = false;
    Entry entry;
    std::map<std::string, Node, std::less<>> children;
  };

  static Result<void> put(ManifestBuilder& builder, const std::string& path, const Node& node);

  Node root_;
};

/// A foreign list, understood.
struct Imported {
  ImportedTree tree;
  std::vector<std::string> notes;  ///< what was not taken over, a line each
};

}  // namespace driftd::manifests::tool
