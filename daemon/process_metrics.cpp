#include "daemon/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace driftd::daemon {
namespace {

double boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    if (word == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
  }
  return 0;
}

}  // namespace

ProcessMetrics read_process_metrics() {
  ProcessMetrics metrics;
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  // Fields are counted from behind the command, which may hold spaces: the first is number 3 of proc(5).
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 2)));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  for (int field = 16; field < 22; ++field) fields >> skipped;
  double start = 0;
  double pages = 0;
  fields >> start >> metrics.virtual_bytes >> pages;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  metrics.cpu_seconds = (user + system) / ticks;
  metrics.start_time = boot_time() + start / ticks;
  metrics.resident_bytes = pages * static_cast<double>(::sysconf(_SC_PAGESIZE));

  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error)) {
    ++metrics.open_fds;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) metrics.max_fds = static_cast<double>(limit.rlim_cur);
  return metrics;
}

}  // namespace driftd::daemon
