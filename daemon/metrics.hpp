#pragma once

#include <string>

#include "daemon/snapshot.hpp"

namespace driftd::daemon {

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// The page /metrics in Prometheus' text format. Never a path as a label; the number of series grows with the number
/// of trees alone.
std::string metrics_page(const Snapshot& snapshot);

}  // namespace driftd::daemon
