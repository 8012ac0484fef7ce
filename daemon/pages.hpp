#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/http_server.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/status_report.hpp"

namespace driftd::daemon {

/// Paths of trees, and who changed them. `budget` as for tree_status(). Empty: not for whoever asks.
using Details = std::function<StatusReport(std::size_t budget)>;

/// What the daemon serves: /metrics, /-/healthy, /-/ready, a page for people at /, and for programs /api/v1/status and
/// /api/v1/drift, which are `details` alone and else refused. Without them no page shows a path of a tree.
HttpResponse serve_page(std::string_view path, const Snapshot& snapshot, const Details& details);

/// One line on all trees, as for the service manager's status.
std::string status_line(const Snapshot& snapshot);

}  // namespace driftd::daemon
