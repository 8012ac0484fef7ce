#pragma once

#include <string_view>

#include "daemon/command_line.hpp"
#include "manifests/error.hpp"
#include "manifests/exit_code.hpp"

namespace driftd::daemon {

/// Does what the command line asks for and returns the exit code. Results go to stdout, messages to stderr.
int run(const CommandLine& line);

/// Prints a command's result; gives the exit code, which is `done` where it could be written.
int print(std::string_view result, int done = manifests::kExitClean);

/// Says what went wrong, as a plugin does where `output` is that, and returns the exit code for it.
int fail(const manifests::Error& error, Output output = Output::human);

}  // namespace driftd::daemon
