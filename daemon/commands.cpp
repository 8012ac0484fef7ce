#include "daemon/commands.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "daemon/check.hpp"
#include "daemon/clock.hpp"
#include "daemon/report.hpp"
#include "daemon/service.hpp"
#include "daemon/state_store.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/file_io.hpp"
#include "manifests/mtree.hpp"
#include "manifests/trust_store.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

int fail(const Error& error) {
  fmt::print(stderr, "driftd: {}\n", error.message);
  return error.code == ErrorCode::usage ? manifests::kExitUsage : manifests::kExitUnknown;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

Colour colour_for(ColourChoice choice) {
  if (choice != ColourChoice::automatic) return choice == ColourChoice::always ? Colour::ansi : Colour::none;
  const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org
  const char* terminal = std::getenv("TERM");
  const bool plain =
      (no_colour != nullptr && *no_colour != '\0') || terminal == nullptr || std::string_view(terminal) == "dumb";
  return !plain && ::isatty(STDOUT_FILENO) == 1 ? Colour::ansi : Colour::none;
}

/// The free form needs a tree's name, and the manifest has it; nothing is believed of it before it is verified.
Result<std::string> claimed_name(const std::string& manifest, std::size_t limit) {
  const auto bytes = manifests::read_file(manifest, limit);
  if (!bytes) return bytes.error();
  constexpr std::string_view kKey = "\n#name: ";
  const std::size_t at = bytes->find(kKey);
  const std::size_t end = at == std::string::npos ? at : bytes->find('\n', at + kKey.size());
  const std::string name = end == std::string::npos ? "" : bytes->substr(at + kKey.size(), end - at - kKey.size());
  return manifests::is_product_name(name) ? name : std::string("tree");
}

std::string absolute(const std::string& path) {
  std::string text = std::filesystem::absolute(path).lexically_normal();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

/// A configuration of the one tree that the command line names.
Result<Config> free_form(const CommandLine& line) {
  if (line.root.empty() || line.manifest.empty() || line.trusted_keys.empty()) {
    return Error{ErrorCode::usage,
                 "without a configuration, --root DIR, --manifest FILE and --trust KEY.pub are all needed"};
  }
  if (!line.trees.empty())
    return Error{ErrorCode::usage, "--tree chooses from a configuration, --root does without one"};
  Config config;
  config.limits.threads = std::max(1U, std::thread::hardware_concurrency());
  TreeConfig tree;
  tree.root = absolute(line.root);
  tree.manifest = absolute(line.manifest);
  auto name = claimed_name(tree.manifest, config.limits.manifest_size);
  tree.name = name ? *name : "tree";
  tree.manifest_name = tree.name;
  config.trees.push_back(std::move(tree));
  return config;
}

Result<manifests::TrustPolicy> named_keys(const std::vector<std::string>& files) {
  manifests::TrustPolicy policy;
  for (const std::string& file : files) {
    auto key = manifests::load_public_key(file);
    if (!key) return key.error();
    policy.keys.push_back(*key);
  }
  return policy;
}

int run_check(const CommandLine& line) {
  const std::string host = host_name();
  CheckOptions options{line.trees, line.paths, line.threads, line.strict, std::nullopt};
  const bool is_free = !line.root.empty() || !line.manifest.empty() || !line.trusted_keys.empty();
  auto config = is_free ? free_form(line) : load_config(line.config_file, host);
  if (!config && !is_free && line.config_file == kDefaultConfig && ::access(kDefaultConfig, F_OK) != 0) {
    return fail({ErrorCode::io, std::string(kDefaultConfig) +
                                    ": there is no configuration; name one with --config, or check "
                                    "without one by --root DIR --manifest FILE --trust KEY.pub"});
  }
  if (!config) return fail(config.error());
  if (is_free) {
    auto policy = named_keys(line.trusted_keys);
    if (!policy) return fail(policy.error());
    options.trust = std::move(*policy);
  }
  const auto report = check(*config, options, host);
  if (!report) return fail(report.error());
  switch (line.output) {
    case Output::quiet: break;
    case Output::json: fmt::print("{}", json_report(*report)); break;
    case Output::human: fmt::print("{}", human_report(*report, colour_for(line.colour))); break;
  }
  // A verdict that nobody could read is no verdict.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    return fail(manifests::system_error("standard output", errno));
  for (const TreeReport& tree : report->trees) {
    for (const Problem& problem : tree.problems) fmt::print(stderr, "driftd: {}: {}\n", tree.name, problem.message);
  }
  return exit_code(report->verdict());
}

int run_config_check(const CommandLine& line) {
  const auto config = load_config(line.config_file, host_name());
  if (!config) return fail(config.error());
  fmt::print("{}: ok, {} tree{}\n", manifests::escape(line.config_file), config->trees.size(),
             config->trees.size() == 1 ? "" : "s");
  return manifests::kExitClean;
}

int run_trust_reset(const CommandLine& line) {
  const auto config = load_config(line.config_file, host_name());
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
    fmt::print(stderr, "driftd: {}: the state was damaged or gone and is new now; restart the daemon to use it\n",
               manifests::escape(config->state_directory));
  }
  for (const std::string& name : line.trees) {
    if (auto reset = store->reset_trust(name, line.reason, wall_clock()); !reset) return fail(reset.error());
    fmt::print("{}: the manifest that lies on disk is taken, whatever its sequence, if its signature is good\n", name);
  }
  return manifests::kExitClean;
}

}  // namespace

int run(const CommandLine& line) {
  switch (line.command) {
    case Command::run: return run_service(line.config_file, host_name());
    case Command::config_check: return run_config_check(line);
    case Command::trust_reset: return run_trust_reset(line);
    case Command::check: break;
  }
  return run_check(line);
}

}  // namespace driftd::daemon
