#include <cstdio>

#include <sodium.h>

#include "daemon/command_line.hpp"
#include "daemon/commands.hpp"
#include "manifests/exit_code.hpp"

int main(int argc, char** argv) {
  if (sodium_init() < 0) {
    std::fputs("driftd: libsodium cannot be initialised\n", stderr);
    return driftd::manifests::kExitUnknown;
  }
  const auto asked = driftd::daemon::parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&asked)) return *code;
  return driftd::daemon::run(std::get<driftd::daemon::CommandLine>(asked));
}
