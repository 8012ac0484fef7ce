#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/check.hpp"
#include "daemon/path_arguments.hpp"
#include "daemon/tree_place.hpp"
#include "scanner/scan.hpp"

/// What is wrong with the PATH arguments of a check, as problems of its report: nobody looked at what was meant, so it
/// is not clean.
namespace driftd::daemon {

/// After the scan: paths that are neither on the host nor in the manifest, another tree's, or behind what the scan does
/// not follow.
void refuse_unknown_paths(const scanner::ScanPlan& plan, TreeReport& report);

/// Those in a tree, whichever it is. Elsewhere links are followed, as long as that leads to where the scope goes.
void refuse_detours(const std::map<std::string, Detour>& detours, const TreePlaces& places, TreeReport& report);

/// A relative PATH that leads nowhere was tried in every tree: where one knows it, it was not meant for those where it
/// is neither on the host nor in the manifest. A tree that has anything else to tell is not dropped.
void drop_wrong_guesses(std::vector<TreeReport>& trees);

}  // namespace driftd::daemon
