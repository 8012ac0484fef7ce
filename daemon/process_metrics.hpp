#pragma once

namespace driftd::daemon {

/// The standard process_* metrics of Prometheus client libraries, for this process, from /proc/self. What cannot be
/// read is 0.
struct ProcessMetrics {
  double cpu_seconds = 0;
  double open_fds = 0;
  double max_fds = 0;
  double virtual_bytes = 0;
  double resident_bytes = 0;
  double start_time = 0;  ///< seconds since 1970
};

ProcessMetrics read_process_metrics();

}  // namespace driftd::daemon
