#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
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

/// Makes pages with details once a snapshot, and gives them to all who ask: they may be large.
class DetailedPages {
 public:
  HttpResponse serve(std::string_view path, const std::shared_ptr<const Snapshot>& snapshot, const Details& details);

 private:
  std::shared_ptr<const Snapshot> snapshot_;  ///< that they are of
  std::map<std::string, HttpResponse, std::less<>> made_;
};

/// One line on all trees, as for the service manager's status.
std::string status_line(const Snapshot& snapshot);

}  // namespace driftd::daemon
