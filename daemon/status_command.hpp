#pragma once

#include <string>

#include "daemon/command_line.hpp"

namespace driftd::daemon {

/// `driftd status` and `driftd scan now`: ask the running daemon, print what it says, and return the exit code.
int run_status(const CommandLine& line, const std::string& host);
int run_scan_now(const CommandLine& line, const std::string& host);

}  // namespace driftd::daemon
