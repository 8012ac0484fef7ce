#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/check.hpp"
#include "daemon/tree_place.hpp"
#include "scanner/scan.hpp"

/// What is wrong with the PATHs that a check was asked for: problems in its reports.
namespace driftd::daemon {

/// A slip of the pen must not be called clean, and neither must what nobody looked at.
void refuse_unknown_paths(const scanner::ScanPlan& plan, TreeReport& report);

/// The kernel follows a link before `..` and at a slash, the scan does not: what was meant was not looked at.
/// `entered`: as in AskedPaths.
void refuse_entered_links(const std::map<std::string, std::string>& entered, const TreePlaces& places,
                          TreeReport& report);

/// A relative path was asked of every tree: where one knows it, it was not meant for those that do not.
void drop_wrong_guesses(std::vector<TreeReport>& trees);

}  // namespace driftd::daemon
