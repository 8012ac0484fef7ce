#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/tree_place.hpp"

namespace driftd::daemon {

struct PlaceQuestion {
  TreeConfig tree;
  std::chrono::milliseconds patience;
};

/// Where trees are, asked by a process for each: one that hangs in the kernel cannot be ended by anyone, and a thread
/// that does would keep this process from ending. Parallel to the questions; nothing: no answer in time.
std::vector<std::optional<TreePlace>> probe_places(const std::vector<PlaceQuestion>& questions);

}  // namespace driftd::daemon
