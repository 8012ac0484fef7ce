#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "manifests/error.hpp"
#include "manifests/trust.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// What a scan of `tree` needs beside a manifest: exemptions for its own and other trees' files, and accounts.
/// `all_trees` tells of nested trees. `previous` may be null, see ScanPlan.
manifests::Result<std::shared_ptr<const scanner::ScanPlan>> make_plan(
    const std::vector<TreeConfig>& all_trees, const TreeConfig& tree,
    std::shared_ptr<const manifests::VerifiedManifest> manifest,
    std::shared_ptr<const manifests::VerifiedManifest> previous);

/// The policy for one tree from the trust directories.
manifests::Result<manifests::TrustPolicy> load_policy(const TrustConfig& trust, const TreeConfig& tree);

}  // namespace driftd::daemon
