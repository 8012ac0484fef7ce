#pragma once

#include <string>

#include "manifests/error.hpp"
#include "manifests/tool/progress.hpp"
#include "manifests/tool/release_tree.hpp"

namespace driftd::manifests::tool {

/// Where the manifest goes that is made of a directory.
struct ManifestPlace {
  std::string below;       ///< where the file that -o names lies in the directory; empty: it does not
  bool is_stdout = false;  ///< it is written to standard output
};

/// Walks a directory, hashes its files in `threads` threads with the code that the host uses, and gives every path to
/// `tree`. What the tree has no interest in is not even opened. The manifest is left out with its signatures, and with
/// a directory that holds nothing else. Refused: a mount on the way, what changes meanwhile, and a listed file that
/// standard output is, if the manifest goes there.
Result<void> read_directory(const std::string& directory, const ManifestPlace& manifest, unsigned threads,
                            ReleaseTree& tree, Progress& progress);

}  // namespace driftd::manifests::tool
