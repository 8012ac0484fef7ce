#pragma once

#include <string>
#include <vector>

#include <spdlog/common.h>

#include "daemon/standing.hpp"
#include "daemon/tree_state.hpp"
#include "scanner/drift_set.hpp"

/// What the log says of a tree. Said once, when it becomes so.
namespace driftd::daemon {

void log_standing(const std::string& name, const Standing& before, const Standing& standing, TreeState::News news);

/// Whether it is said who made the drift. Who ended it is never known.
enum class Authors { named, unnamed };

/// What became of these paths' drift, at most 20 of them: `opened`, `resolved`, ...
void log_drift(const std::string& name, spdlog::level::level_enum level, const char* what,
               const std::vector<const scanner::OpenDrift*>& all, Authors authors);

}  // namespace driftd::daemon
