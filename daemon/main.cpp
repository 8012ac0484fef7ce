#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "daemon/command_line.hpp"
#include "daemon/commands.hpp"
#include "daemon/report.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/last_words.hpp"

namespace {

using namespace driftd;

/// A plugin is heard on standard output alone.
manifests::LastWords last_words(int argc, char** argv) {
  const bool is_plugin = std::find(argv, argv + argc, std::string_view("--nagios")) != argv + argc;
  if (is_plugin) return {"DRIFTD UNKNOWN - ", STDOUT_FILENO, daemon::nagios_exit_code(daemon::Verdict::unknown)};
  return {"driftd: ", STDERR_FILENO, manifests::kExitUnknown};
}

}  // namespace

int main(int argc, char** argv) {
  manifests::set_last_words(last_words(argc, argv));
  try {
    const auto asked = daemon::parse_command_line(argc, argv);
    if (const int* code = std::get_if<int>(&asked)) return *code;
    return daemon::run(std::get<daemon::CommandLine>(asked));
  } catch (...) {
    manifests::end_with_last_words();
  }
}
