#pragma once

#include "daemon/command_line.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

/// Does what the command line asks for and returns the exit code. Results go to stdout, messages to stderr.
int run(const CommandLine& line);

/// Says what went wrong, as a plugin does where `output` is that, and returns the exit code for it.
int fail(const manifests::Error& error, Output output = Output::human);

}  // namespace driftd::daemon
