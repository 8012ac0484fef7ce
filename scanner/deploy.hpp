#pragma once

#include <stop_token>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"

/// Trees between two releases. The inside of scan() and is_exactly().
namespace driftd::scanner {

/// scan() without regard to a previous release: `manifest` takes the place of the plan's.
manifests::Result<ScanResult> scan_against(const manifests::Manifest& manifest, const ScanPlan& plan,
                                           const Scope& scope, const ScanOptions& options, const std::stop_token& stop);

/// Moves those of `result.findings` to `result.pending` that are as `plan.previous` has them; what matches neither
/// release stays. Below a directory that the release no longer has, what is not as it was before becomes a finding of
/// its own.
manifests::Result<void> set_pending_apart(const ScanPlan& plan, const ScanOptions& options, const std::stop_token& stop,
                                          ScanResult& result);

/// All paths at which a tree that is one release may differ from the other.
Scope differing_paths(const manifests::Manifest& a, const manifests::Manifest& b);

}  // namespace driftd::scanner
