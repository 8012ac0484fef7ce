#include "daemon/status_command.hpp"

#include "daemon/commands.hpp"
#include "daemon/control_client.hpp"
#include "daemon/inquiries.hpp"
#include "daemon/standard_output.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::Result;

/// The configuration tells where the daemon is. Where the usual one cannot be read, the daemon may still run by what it
/// read before, in the usual place; another daemon's would be found there where one was named. `problem`: why it
/// cannot.
Result<std::string> run_directory(const CommandLine& line, const std::string& host, std::string& problem) {
  const auto config = load_config_with_patience(line.config_file, host);
  if (config) return config->run_directory;
  if (line.config_file != kDefaultConfig) return config.error();
  problem = config.error().message;
  return usual_run_directory();
}

int ask(const CommandLine& line, const std::string& host, const ControlRequest& request) {
  std::string config_problem;
  const auto directory = run_directory(line, host, config_problem);
  if (!directory) return fail(directory.error());
  // What comes from the daemon is safe already; escaping again would only double its backslashes.
  const auto answer = ask_daemon(*directory, request, config_problem, tell);
  if (!answer) return fail(answer.error());
  return print(answer->output, answer->exit);
}

}  // namespace

int run_status(const CommandLine& line, const std::string& host) {
  ControlRequest request;
  request.command = ControlRequest::Command::status;
  request.json = line.output == Output::json;
  request.colour = !request.json && colour_for(line.colour) == Colour::ansi;
  return ask(line, host, request);
}

int run_scan_now(const CommandLine& line, const std::string& host) {
  ControlRequest request;
  request.command = ControlRequest::Command::scan;
  request.trees = line.trees;
  request.wait = !line.no_wait;
  request.colour = colour_for(line.colour) == Colour::ansi;
  return ask(line, host, request);
}

}  // namespace driftd::daemon
