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

/// From a tree's configuration to what a scan needs: manifest and signatures read once, verified, found to be meant
/// for this tree; exemptions and accounts. Errors carry the reason that metrics and JSON show.
struct TreeLoader {
  const std::vector<TreeConfig>& all_trees;  ///< for nested trees
  std::size_t manifest_limit;

  [[nodiscard]] manifests::Result<std::shared_ptr<const manifests::VerifiedManifest>> load_manifest(
      const TreeConfig& tree, const manifests::TrustPolicy& policy, std::int64_t now) const;

  [[nodiscard]] manifests::Result<std::shared_ptr<const scanner::ScanPlan>> make_plan(
      const TreeConfig& tree, std::shared_ptr<const manifests::VerifiedManifest> manifest) const;
};

/// The policy for one tree from the trust directories.
manifests::Result<manifests::TrustPolicy> load_policy(const TrustConfig& trust, const TreeConfig& tree);

}  // namespace driftd::daemon
