#include "daemon/commands.hpp"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <sodium.h>

#include "daemon/check_command.hpp"
#include "daemon/clock.hpp"
#include "daemon/inquiries.hpp"
#include "daemon/report.hpp"
#include "daemon/service.hpp"
#include "daemon/standard_output.hpp"
#include "daemon/state_store.hpp"
#include "daemon/status_command.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

int run_config_check(const CommandLine& line) {
  const auto config = load_config_with_patience(line.config_file, host_name());
  if (!config) return fail(config.error());
  return print(fmt::format("{}: ok, {} tree{}\n", manifests::escape(line.config_file), config->trees.size(),
                           config->trees.size() == 1 ? "" : "s"));
}

int run_trust_reset(const CommandLine& line) {
  const auto config = load_config_with_patience(line.config_file, host_name());
  if (!config) return fail(config.error());
  if (line.reason.empty()) return fail({ErrorCode::usage, "--reason must say something: it is recorded and shown"});
  for (const std::string& name : line.trees) {
    const auto& trees = config->trees;
    if (std::none_of(trees.begin(), trees.end(), [&](const TreeConfig& tree) { return tree.name == name; })) {
      return fail({ErrorCode::usage, "no tree '" + manifests::escape(name) + "' in the configuration"});
    }
  }
  auto store = StateStore::open_for_repair(config->state_directory);
  if (!store) return fail(store.error());
  if (store->protection() == StateStore::Protection::fresh) {
    tell(manifests::escape(config->state_directory) +
         ": the state was damaged or gone and is new now; restart the daemon to use it");
  }
  std::string done;
  for (const std::string& name : line.trees) {
    if (auto reset = store->reset_trust(name, line.reason, wall_clock()); !reset) return fail(reset.error());
    done += name + ": the manifest that lies on disk is taken, whatever its sequence, if its signature is good\n";
  }
  return print(done);
}

}  // namespace

int print(std::string_view result, int done) {
  StandardOutput output;
  output.print(result);
  const auto printed = output.finish();
  return printed ? done : fail(printed.error());
}

int fail(const Error& error, Output output) {
  if (output == Output::nagios) {
    StandardOutput plugin;
    plugin.print(nagios_failure(error.message));
    (void)plugin.finish();
    return nagios_exit_code(Verdict::unknown);
  }
  tell(error.message);
  return error.code == ErrorCode::usage ? manifests::kExitUsage : manifests::kExitUnknown;
}

int run(const CommandLine& line) {
  if (sodium_init() < 0) return fail({ErrorCode::io, "libsodium cannot be initialised"}, line.output);
  const std::string host = host_name();
  switch (line.command) {
    case Command::run: return run_service(line.config_file, host);
    case Command::config_check: return run_config_check(line);
    case Command::trust_reset: return run_trust_reset(line);
    case Command::explain: return run_explain(line, host);
    case Command::status: return run_status(line, host);
    case Command::scan_now: return run_scan_now(line, host);
    case Command::check: break;
  }
  return run_check(line, host);
}

}  // namespace driftd::daemon
