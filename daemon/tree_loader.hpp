#pragma once

#include <memory>

#include "daemon/config.hpp"
#include "daemon/tree_place.hpp"
#include "manifests/error.hpp"
#include "manifests/trust.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// What a scan of `tree` needs beside a manifest: exemptions for its own and other trees' files, and accounts.
/// `places` holds the tree's own. `previous` may be null, see ScanPlan.
manifests::Result<std::shared_ptr<const scanner::ScanPlan>> make_plan(
    const TreePlaces& places, const TreeConfig& tree, std::shared_ptr<const manifests::VerifiedManifest> manifest,
    std::shared_ptr<const manifests::VerifiedManifest> previous);

/// The policy for one tree from the trust directories.
manifests::Result<manifests::TrustPolicy> load_policy(const TrustConfig& trust, const TreeConfig& tree);

}  // namespace driftd::daemon
