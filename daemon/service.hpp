#pragma once

#include <string>

namespace driftd::daemon {

/// `driftd run`: the daemon, from its configuration to SIGTERM. Returns the exit code.
int run_service(const std::string& config_file, const std::string& host);

}  // namespace driftd::daemon
