#pragma once

#include <string>
#include <variant>
#include <vector>

#include "daemon/config.hpp"

namespace driftd::daemon {

enum class Command { run, check, explain, status, scan_now, config_check, trust_reset };
enum class Output { human, json, porcelain, nagios, quiet };
enum class ColourChoice { automatic, always, never };

/// The command line of driftd, understood.
struct CommandLine {
  Command command = Command::check;
  std::string config_file = kDefaultConfig;
  // of check and explain
  std::vector<std::string> trees;
  std::vector<std::string> paths;
  std::string root;  ///< the free form: no configuration
  std::string manifest;
  std::vector<std::string> trusted_keys;
  unsigned threads = 0;
  bool strict = false;
  std::string reason;  ///< of trust reset; its tree stands in `trees`
  Output output = Output::human;
  bool nul_ends_records = false;  ///< of --porcelain
  bool no_progress = false;
  ColourChoice colour = ColourChoice::automatic;
  bool no_wait = false;  ///< of scan now; its trees stand in `trees`
};

/// What was asked for, or the exit code where nothing is left to do: help and version are printed, wrong usage is told,
/// in the form and with the code of a plugin where --nagios is among the arguments.
std::variant<CommandLine, int> parse_command_line(int argc, char** argv);

}  // namespace driftd::daemon
