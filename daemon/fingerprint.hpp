#pragma once

#include <string>

#include "daemon/config.hpp"

namespace driftd::daemon {

/// A text that changes when the tree's root, its manifest, a signature or a trusted key is replaced: device, inode,
/// size and times of each. Costs a few stat calls.
std::string fingerprint(const TreeConfig& tree, const TrustConfig& trust);

/// The part of it that names the root directory.
std::string root_fingerprint(const std::string& root);

}  // namespace driftd::daemon
