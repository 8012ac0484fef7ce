#include "daemon/command_line.hpp"
#include "daemon/commands.hpp"

int main(int argc, char** argv) {
  const auto asked = driftd::daemon::parse_command_line(argc, argv);
  if (const int* code = std::get_if<int>(&asked)) return *code;
  return driftd::daemon::run(std::get<driftd::daemon::CommandLine>(asked));
}
