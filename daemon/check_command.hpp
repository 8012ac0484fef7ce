#pragma once

#include <string>

#include "daemon/command_line.hpp"

namespace driftd::daemon {

/// `driftd check` and `driftd explain`: one look, without the daemon. Return the exit code.
int run_check(const CommandLine& line, const std::string& host);
int run_explain(const CommandLine& line, const std::string& host);

}  // namespace driftd::daemon
