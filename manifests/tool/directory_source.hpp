#pragma once

#include <string>

#include "manifests/error.hpp"
#include "manifests/tool/progress.hpp"
#include "manifests/tool/release_tree.hpp"

namespace driftd::manifests::tool {

/// Walks a directory, hashes its files in `threads` threads with the code that the host uses, and gives every path to
/// `tree`. What the tree has no interest in is not even opened. `own_manifest` is the manifest that is being written,
/// where it lies in the directory: it is left out with its signatures, and with a directory that holds nothing else.
/// Refused: a mount on the way, and what changes meanwhile.
Result<void> read_directory(const std::string& directory, const std::string& own_manifest, unsigned threads,
                            ReleaseTree& tree, Progress& progress);

}  // namespace driftd::manifests::tool
