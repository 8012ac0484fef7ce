#pragma once

#include <string>
#include <string_view>

#include "daemon/http_server.hpp"
#include "daemon/snapshot.hpp"

namespace driftd::daemon {

/// What the daemon serves: /metrics, /-/healthy, /-/ready and a page for people at /. No page shows a path of a tree.
HttpResponse serve_page(std::string_view path, const Snapshot& snapshot);

/// One line on all trees, as for the service manager's status.
std::string status_line(const Snapshot& snapshot);

}  // namespace driftd::daemon
