#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "daemon/config.hpp"
#include "daemon/state_store.hpp"
#include "manifests/trust.hpp"
#include "scanner/finding.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// The older releases of a tree whose manifests are at hand.
struct KeptReleases {
  StateStore& store;
  const TreeConfig& tree;
  const manifests::TrustPolicy& policy;
  std::size_t manifest_limit;
};

/// The kept release that the tree is as a whole, if it is one: the night's rollback by hand is one finding then, not
/// thousands. `differing` are all paths at which the tree differs from the plan's manifest.
std::optional<std::string> find_exact_release(const KeptReleases& kept, const scanner::ScanPlan& plan,
                                              const scanner::Scope& differing, const scanner::ScanOptions& options,
                                              const std::stop_token& stop);

/// Whether the tree can be no release while this is in it: none lists so long a path, and none lets privileges or
/// devices be where it lists nothing. Thousands of such paths would take very long to look at.
bool is_in_no_release(const scanner::Finding& finding);

}  // namespace driftd::daemon
