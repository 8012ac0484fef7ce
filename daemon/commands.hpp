#pragma once

#include "daemon/command_line.hpp"

namespace driftd::daemon {

/// Does what the command line asks for and returns the exit code. Results go to stdout, messages to stderr.
int run(const CommandLine& line);

}  // namespace driftd::daemon
