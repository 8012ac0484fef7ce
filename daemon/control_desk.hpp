#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control_socket.hpp"
#include "daemon/report_text.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/status_report.hpp"
#include "daemon/tree_monitor.hpp"

namespace driftd::daemon {

using Monitors = std::map<std::string, std::shared_ptr<TreeMonitor>>;

/// Answers what is asked at the control socket. On the io_context's thread.
class ControlDesk {
 public:
  /// Of the daemon, all of which outlives this.
  struct Sources {
    const Monitors& monitors;
    const std::shared_ptr<const Snapshot>& snapshot;  ///< the latest
    std::string host;
    std::string config_file;
    std::int64_t started_at = 0;
  };

  explicit ControlDesk(Sources sources) : sources_(std::move(sources)) {}

  void answer(const ControlRequest& request, const std::shared_ptr<ControlReply>& reply);
  /// Of all trees, as in the latest snapshot. `budget` of paths as for tree_status().
  [[nodiscard]] StatusReport status(std::size_t budget) const { return report(all_trees(), budget); }
  /// A snapshot has been published: answers those who wait for scans that have ended.
  void on_published();

 private:
  /// Somebody who wants to know what scans find.
  struct Waiting {
    struct Scan {
      std::string tree;
      std::weak_ptr<TreeMonitor> monitor;
      unsigned number;
    };
    std::shared_ptr<ControlReply> reply;
    Colour colour;
    std::vector<Scan> scans;
  };

  void answer_status(const ControlRequest& request, ControlReply& reply) const;
  void answer_scan(const ControlRequest& request, const std::shared_ptr<ControlReply>& reply);
  [[nodiscard]] bool has_ended(const Waiting::Scan& scan) const;
  void end(const Waiting& waiting) const;
  /// Of these trees, as far as there are such.
  [[nodiscard]] StatusReport report(const std::vector<std::string>& trees, std::size_t budget) const;
  [[nodiscard]] std::vector<std::string> all_trees() const;

  const Sources sources_;
  std::vector<Waiting> waiting_;
};

}  // namespace driftd::daemon
