#pragma once

#include <string_view>

#include "daemon/standing.hpp"
#include "scanner/drift_set.hpp"

namespace driftd::daemon {

/// How drift ends: somebody put the path right, or a new release is what it was.
enum class Ending { resolved, deployed };
std::string_view to_string(Ending ending);

/// Drift is deployed where it was there before the manifest in force, the deploy that this opened changes the path,
/// and the first look under the new manifest found that they agree; and it never was anything else than what that
/// explains. All else is resolved: an edit that was undone, or that the deploy wrote over, or that went with its root
/// when that was flipped. `drift` is what is known after `ended` ended.
Ending ending_of(const Standing& standing, const scanner::DriftSet& drift, const scanner::OpenDrift& ended);

}  // namespace driftd::daemon
