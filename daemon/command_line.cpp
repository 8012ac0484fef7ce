#include "daemon/command_line.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "daemon/commands.hpp"
#include "manifests/escape.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

/// CLI11 tells what is missing before it looks at what stands in its place, and a command like an option.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const auto unknown = app.remaining(true);
  const auto misspelled =
      std::find_if(unknown.begin(), unknown.end(), [](const auto& word) { return word.starts_with('-'); });
  const bool misses_command = std::string_view(error.what()) == "A subcommand is required";
  if (misses_command && !unknown.empty()) return "unknown command '" + manifests::escape(unknown.front()) + "'";
  if (misses_command) return "a command is missing";
  const bool misses_option = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  if (misses_option && misspelled != unknown.end()) return "unknown option " + manifests::escape(*misspelled);
  return manifests::escape(error.what());
}

void add_config_option(CLI::App* command, CommandLine& line) {
  command->add_option("--config", line.config_file, fmt::format("configuration (default {})", kDefaultConfig))
      ->type_name("FILE");
}

void add_colour_option(CLI::App* command, CommandLine& line) {
  const std::map<std::string, ColourChoice> colours{
      {"auto", ColourChoice::automatic}, {"always", ColourChoice::always}, {"never", ColourChoice::never}};
  command
      ->add_option_function<std::string>(
          "--color", [&line, colours](const std::string& choice) { line.colour = colours.at(choice); },
          "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
}

/// Which trees are meant, by a configuration or without one.
void add_tree_options(CLI::App* command, CommandLine& line) {
  add_config_option(command, line);
  command->add_option("--tree", line.trees, "only this tree of the configuration")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--root", line.root, "check this directory, without a configuration")->type_name("DIR");
  command->add_option("--manifest", line.manifest, "against this manifest")->type_name("FILE");
  command->add_option("--trust", line.trusted_keys, "signed by this key")
      ->type_name("KEY.pub")
      ->allow_extra_args(false);
  command->add_option("--threads", line.threads, "threads that read and hash")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->add_flag("--no-progress", line.no_progress, "no progress bar, even on a terminal");
  add_colour_option(command, line);
}

void add_output_options(CLI::App* check, CommandLine& line) {
  const auto add = [&](const char* name, Output output, const char* help) {
    return check->add_flag_callback(
        name, [&line, output] { line.output = output; }, help);
  };
  const std::vector<CLI::Option*> outputs{
      add("--json", Output::json, "one JSON document"),
      add("--porcelain", Output::porcelain, "a line KIND TAB CHANGES TAB PATH for each path that is not clean"),
      add("--nagios", Output::nagios, "the output and exit codes of a Nagios plugin"),
      add("--quiet", Output::quiet, "only the exit code, and what went wrong"),
  };
  for (CLI::Option* one : outputs) {
    for (CLI::Option* other : outputs) {
      if (one != other) one->excludes(other);
    }
  }
  check->add_flag("-z", line.nul_ends_records, "with --porcelain: NUL ends a record, and paths are raw bytes")
      ->needs(outputs[1]);
}

void add_check(CLI::App& app, CommandLine& line) {
  CLI::App* check =
      app.add_subcommand("check", "compare the trees with their signed releases, now, without the daemon");
  check->callback([&line] { line.command = Command::check; });
  add_tree_options(check, line);
  check->add_flag("--strict", line.strict,
                  "pending paths are drift; an expired manifest, an override and an unchecked replay are unknown");
  add_output_options(check, line);
  check->add_option("PATH", line.paths, "only these paths, absolute or below a tree's root")->type_name("");
}

void add_explain(CLI::App& app, CommandLine& line) {
  CLI::App* explain =
      app.add_subcommand("explain", "which rule decides about a path, what is there, and why that is the verdict");
  explain->callback([&line] { line.command = Command::explain; });
  add_tree_options(explain, line);
  explain
      ->add_option_function<std::string>(
          "PATH", [&line](const std::string& path) { line.paths = {path}; }, "absolute, or below a tree's root")
      ->type_name("")
      ->required();
}

void add_status(CLI::App& app, CommandLine& line) {
  CLI::App* status = app.add_subcommand("status", "what the running daemon knows of the trees, at once");
  status->callback([&line] { line.command = Command::status; });
  add_config_option(status, line);
  add_colour_option(status, line);
  status->add_flag_callback(
      "--json", [&line] { line.output = Output::json; }, "one JSON document");
}

void add_scan(CLI::App& app, CommandLine& line) {
  CLI::App* scan = app.add_subcommand("scan", "scans by the running daemon")->require_subcommand(1);
  CLI::App* now = scan->add_subcommand("now", "a full scan of the trees, at once; waits for it and tells the verdict");
  now->callback([&line] { line.command = Command::scan_now; });
  add_config_option(now, line);
  now->add_option("--tree", line.trees, "only this tree")->type_name("NAME")->allow_extra_args(false);
  now->add_flag("--no-wait", line.no_wait, "do not wait; exit code 0 says that it was asked for");
  add_colour_option(now, line);
}

void add_trust(CLI::App& app, CommandLine& line) {
  CLI::App* trust = app.add_subcommand("trust", "what this host believes")->require_subcommand(1);
  CLI::App* reset = trust->add_subcommand(
      "reset", "forget which release of a tree was the latest, so that the one on disk is taken though it is older");
  reset->callback([&line] { line.command = Command::trust_reset; });
  add_config_option(reset, line);
  reset->add_option("--tree", line.trees, "the tree")->type_name("NAME")->required()->allow_extra_args(false);
  reset->add_option("--reason", line.reason, "why; it is recorded and shown")->type_name("TEXT")->required();
}

}  // namespace

std::variant<CommandLine, int> parse_command_line(int argc, char** argv) {
  CLI::App app("Says whether this host is what was released.", "driftd");
  app.set_version_flag("--version", fmt::format("driftd {} ({})", manifests::kVersion, manifests::kRevision));
  app.require_subcommand(1);
  app.footer("Exit codes: 0 clean, 2 drift, 1 could not judge, 64 usage. driftd --check is short for driftd check.");
  CommandLine line;
  CLI::App* run = app.add_subcommand("run", "the daemon: watch, scan, serve metrics");
  run->callback([&line] { line.command = Command::run; });
  add_config_option(run, line);
  add_check(app, line);
  add_explain(app, line);
  add_status(app, line);
  add_scan(app, line);
  CLI::App* config = app.add_subcommand("config", "the configuration")->require_subcommand(1);
  CLI::App* config_check = config->add_subcommand("check", "read the configuration and say what is wrong with it");
  config_check->callback([&line] { line.command = Command::config_check; });
  add_config_option(config_check, line);

  add_trust(app, line);

  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (std::string& argument : arguments) {
    if (argument == "--check") {
      argument = "check";
      break;
    }
    if (!argument.starts_with('-')) break;
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::Success& success) {
    std::ostringstream text;
    const int code = app.exit(success, text, text);  // --help and --version
    return print(text.str(), code);
  } catch (const CLI::ParseError& error) {
    const std::string message = usage_message(app, error) + " (see driftd --help)";
    const bool is_plugin = std::find(arguments.begin(), arguments.end(), "--nagios") != arguments.end();
    return fail({manifests::ErrorCode::usage, message}, is_plugin ? Output::nagios : Output::human);
  }
  return line;
}

}  // namespace driftd::daemon
