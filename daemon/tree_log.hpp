#pragma once

#include <string>

#include "daemon/standing.hpp"
#include "daemon/tree_state.hpp"
#include "scanner/drift_set.hpp"

/// What the log says of a tree. Said once, when it becomes so.
namespace driftd::daemon {

void log_standing(const std::string& name, const Standing& before, const Standing& standing, TreeState::News news);

/// At most 20 paths of each kind. A path that the release in force changed, and that agrees with it now, was deployed
/// rather than put right.
void log_changes(const std::string& name, const Standing& standing, const scanner::DriftChanges& changes);

}  // namespace driftd::daemon
