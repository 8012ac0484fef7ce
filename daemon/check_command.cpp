#include "daemon/check_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "daemon/check.hpp"
#include "daemon/commands.hpp"
#include "daemon/inquiries.hpp"
#include "daemon/report.hpp"
#include "daemon/standard_output.hpp"
#include "manifests/file_io.hpp"
#include "manifests/manifest.hpp"
#include "manifests/mtree.hpp"
#include "manifests/progress_line.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

/// The free form needs a tree's name, and the manifest's header has it; nothing is believed of it before it is
/// verified.
std::string claimed_name(const std::string& manifest) {
  const auto file = manifests::open_regular_file(manifest, SIZE_MAX);
  std::string header(manifests::kMaxHeaderSize, '\0');
  const ssize_t length = file ? ::read(file->fd.get(), header.data(), header.size()) : -1;
  header.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  constexpr std::string_view kKey = "\n#name: ";
  const std::size_t at = header.find(kKey);
  const std::size_t end = at == std::string::npos ? at : header.find('\n', at + kKey.size());
  const std::string name = end == std::string::npos ? "" : header.substr(at + kKey.size(), end - at - kKey.size());
  return manifests::is_product_name(name) ? name : "tree";
}

Inquiry inquire_real_path(const std::filesystem::path& path) {
  return {path, [=](const auto&) -> Result<Inquiry::Texts> {
            std::error_code error;
            const std::filesystem::path real = std::filesystem::canonical(path, error);
            if (error) return manifests::system_error(path.native(), error.value());
            return Inquiry::Texts{real};
          }};
}

/// Where a path goes up, that leads from where the links before it lead. What comes after the last `..` keeps its name,
/// though it may be a link too. What cannot be resolved stays as it is written: whoever opens it is told why.
std::string absolute(const std::string& path, CheckOptions& options) {
  std::filesystem::path above;
  std::filesystem::path rest;
  for (const auto& part : std::filesystem::absolute(path)) {
    rest /= part;
    if (part == "..") above /= std::exchange(rest, {});
  }
  std::string text = above / rest;
  if (above.empty()) {
    text = rest.lexically_normal();
  } else if (const auto real = ask_apart(inquire_real_path(above)); real) {
    text = (std::filesystem::path(real->front()) / rest).lexically_normal();
  } else if (real.error().code == ErrorCode::stalled) {
    options.unreachable = real.error();
  }
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Inquiry inquire_name(const std::string& manifest) {
  return {manifest, [=](const auto&) -> Result<Inquiry::Texts> { return Inquiry::Texts{claimed_name(manifest)}; }};
}

Inquiry inquire_key(const std::string& file) {
  return {file, [=](const auto&) -> Result<Inquiry::Texts> {
            const auto text = manifests::read_file(file, manifests::minisign::kMaxKeyFile);
            if (!text) return text.error();
            return Inquiry::Texts{*text};
          }};
}

/// A configuration of the one tree that the command line names, and what else it says; the latter into `options`.
Result<Config> free_form(const CommandLine& line, CheckOptions& options) {
  if (line.root.empty() || line.manifest.empty() || line.trusted_keys.empty()) {
    return Error{ErrorCode::usage,
                 "without a configuration, --root DIR, --manifest FILE and --trust KEY.pub are all needed"};
  }
  if (!line.trees.empty())
    return Error{ErrorCode::usage, "--tree chooses from a configuration, --root does without one"};
  Config config;
  config.limits.threads = std::max(1U, std::thread::hardware_concurrency());
  TreeConfig tree;
  tree.root = absolute(line.root, options);
  tree.manifest = absolute(line.manifest, options);
  std::vector<Inquiry> inquiries;
  for (const std::string& file : line.trusted_keys) inquiries.push_back(inquire_key(file));
  inquiries.push_back(inquire_name(tree.manifest));
  const auto answers = ask_apart(inquiries);
  options.trust.emplace();
  for (std::size_t i = 0; i < line.trusted_keys.size(); ++i) {
    if (!answers[i]) return manifests::with_context("--trust", answers[i].error());
    const auto key = manifests::minisign::parse_public_key(answers[i]->front());
    if (!key) return manifests::with_context("--trust: " + line.trusted_keys[i], key.error());
    options.trust->keys.push_back(*key);
  }
  // What does not answer gets a report, under no name of its own.
  if (const auto& name = answers.back(); name) {
    tree.name = name->front();
  } else {
    tree.name = "tree";
    options.unreachable = name.error();
  }
  tree.manifest_name = tree.name;
  config.trees.push_back(std::move(tree));
  return config;
}

bool is_free_form(const CommandLine& line) {
  return !line.root.empty() || !line.manifest.empty() || !line.trusted_keys.empty();
}

std::string options_again(const CommandLine& line) {
  std::string text;
  const auto add = [&](std::string_view option, const std::string& value) {
    text += fmt::format("{} {} ", option, shell_word(value));
  };
  if (!is_free_form(line)) {
    if (line.config_file != kDefaultConfig) add("--config", line.config_file);
    return text;
  }
  add("--root", line.root);
  add("--manifest", line.manifest);
  for (const std::string& key : line.trusted_keys) add("--trust", key);
  return text;
}

Result<CheckReport> look(const CommandLine& line, const std::string& host) {
  CheckOptions options;
  options.trees = line.trees;
  options.paths = line.paths;
  options.threads = line.threads;
  options.strict = line.strict;
  const bool is_watched = line.output != Output::quiet && line.output != Output::nagios && !line.no_progress;
  if (is_watched && manifests::TerminalLine::is_possible()) options.progress = ShowProgress::yes;
  const auto config = is_free_form(line) ? free_form(line, options) : load_config_with_patience(line.config_file, host);
  if (!config) return config.error();
  auto report = check(*config, options, host);
  if (report) report->again = options_again(line);
  return report;
}

/// Where threads hang, nothing can be taken down in order, and need not be: all has been printed.
int end_with(int code, const CheckReport& report) {
  if (!report.has_left_work) return code;
  std::fflush(nullptr);
  std::_Exit(code);
}

Result<void> print_report(const CheckReport& report, const CommandLine& line) {
  StandardOutput output;
  const auto print = [&](std::string_view text) { output.print(text); };
  switch (line.output) {
    case Output::quiet: break;
    case Output::json: json_report(report, print); break;
    case Output::porcelain:
      porcelain_report(report, line.nul_ends_records ? RecordEnd::nul : RecordEnd::newline, print);
      break;
    case Output::nagios: print(nagios_report(report)); break;
    case Output::human: print(human_report(report, colour_for(line.colour))); break;
  }
  return output.finish();
}

}  // namespace

int run_check(const CommandLine& line, const std::string& host) {
  const auto report = look(line, host);
  if (!report) return fail(report.error(), line.output);
  if (line.output != Output::nagios) {
    for (const TreeReport& tree : report->trees) {
      for (const Problem& problem : tree.problems) tell(tree.name + ": " + problem.message);
    }
  }
  if (auto printed = print_report(*report, line); !printed) {
    return end_with(fail(printed.error(), line.output), *report);
  }
  const Verdict verdict = report->verdict();
  return end_with(line.output == Output::nagios ? nagios_exit_code(verdict) : exit_code(verdict), *report);
}

int run_explain(const CommandLine& line, const std::string& host) {
  const auto report = look(line, host);
  if (!report) return fail(report.error());
  StandardOutput output;
  output.print(explanation(*report, colour_for(line.colour)));
  if (auto printed = output.finish(); !printed) return end_with(fail(printed.error()), *report);
  return end_with(exit_code(report->verdict()), *report);
}

}  // namespace driftd::daemon
