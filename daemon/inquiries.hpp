#pragma once

#include <vector>

#include "daemon/config.hpp"
#include "daemon/inquiry.hpp"
#include "daemon/path_arguments.hpp"
#include "daemon/tree_place.hpp"

namespace driftd::daemon {

/// The configuration, read with patience; `stalled` where it does not answer.
manifests::Result<Config> load_config_with_patience(const std::string& file, const std::string& host);

/// Where a tree is.
Inquiry inquire_place(const TreeConfig& tree, std::chrono::milliseconds patience);
/// Of the answer to that.
manifests::Result<TreePlace> place_told(const manifests::Result<Inquiry::Texts>& answer);

/// What paths ask of each tree: asked_paths() in a process of its own.
Inquiry inquire_paths(const std::vector<TreePlace>& trees, const std::vector<std::string>& paths,
                      std::chrono::milliseconds patience);
/// Of the answer to that.
manifests::Result<std::vector<AskedPaths>> paths_told(const manifests::Result<Inquiry::Texts>& answer,
                                                      std::size_t trees);

/// Whether the trust directories answer; there are no texts.
Inquiry inquire_trust(const TrustConfig& trust, std::chrono::milliseconds patience);
/// The same for the daemon's state.
Inquiry inquire_state(const std::string& directory, std::chrono::milliseconds patience);

}  // namespace driftd::daemon
