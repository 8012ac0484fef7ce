#include "manifests/tool/options.hpp"

#include <string_view>
#include <utility>

#include "manifests/escape.hpp"
#include "manifests/signed_file.hpp"

namespace driftd::manifests::tool {

void add_repeated(CLI::App* sub, const char* name, std::vector<std::string>& values, const char* what,
                  const char* type) {
  sub->add_option(name, values, what)->allow_extra_args(false)->type_name(type);
}

void add_identity(CLI::App* sub, IdentityOptions& options) {
  sub->add_option("--release", options.release, "the release, as people name it")->required()->type_name("R");
  sub->add_option("--sequence", options.sequence, "a number that only grows, or 'now'")->required()->type_name("N|now");
  add_repeated(sub, "--override", options.overrides, "a check that was skipped for this release", "TEXT");
  add_repeated(sub, "--label", options.labels, "KEY=VALUE that hosts may require", "K=V");
  sub->add_option("--expires", options.expires, "how long the release may stay, as in 90d")->type_name("TIME");
}

void add_header(CLI::App* sub, HeaderOptions& options) {
  sub->add_option("--name", options.name, "the product, as the hosts' configuration names it")
      ->required()
      ->type_name("NAME");
  add_identity(sub, options.identity);
  add_repeated(sub, "--mutable", options.mutable_globs, "GLOB of paths that may appear or change", "GLOB");
  add_repeated(sub, "--mutable-from", options.mutable_files, "file with a GLOB a line", "FILE");
  sub->add_option("--source", options.source_url, "where the source code is, as a URL with the commit")
      ->type_name("URL");
  sub->add_option("--artifact", options.artifact, "the file that is deployed; its name and SHA-256 are recorded")
      ->type_name("FILE");
  sub->add_option("--pipeline", options.pipeline, "the CI run's URL")->type_name("URL");
}

void add_output(CLI::App* sub, std::string& output) {
  sub->add_option("-o,--output", output, "file to write (default: standard output)")->type_name("FILE");
}

void add_trust(CLI::App* sub, TrustOptions& options) {
  sub->add_option("-p,--public-key", options.public_keys, "trusted public key file; may be repeated")
      ->required()
      ->allow_extra_args(false)
      ->type_name("FILE");
  sub->add_option("--threshold", options.threshold, "how many of these keys must have signed (default: 1)")
      ->check(CLI::Range(std::size_t{1}, kMaxSignatures))
      ->type_name("N");
}

void add_file(CLI::App* sub, std::string& file) {
  sub->add_option("FILE", file, "the manifest")->required()->type_name("");
}

void add_json(CLI::App* sub, Format& format) {
  sub->add_flag_callback(
      "--json", [&format] { format = Format::json; }, "one JSON document");
}

CLI::Validator one_of(std::vector<std::string> words) {
  CLI::Validator validator = CLI::IsMember(std::move(words));
  validator.description("");
  return validator;
}

void refuse_empty_values(CLI::App& app) {
  // Without a description of its own, so that the help says nothing of it.
  const CLI::Validator not_empty(
      [](std::string& value) { return value.empty() ? std::string("the value is empty") : std::string(); }, "");
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    for (CLI::Option* option : command->get_options()) {
      if (option->get_items_expected_max() > 0) option->check(not_empty);
    }
  }
}

std::optional<Error> option_without_value(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    if (word == "--") break;
    if (!word.starts_with("--") || word.find('=') + 1 != word.size()) continue;
    return Error{ErrorCode::usage, escape(word.substr(0, word.size() - 1)) + ": the value is empty"};
  }
  return std::nullopt;
}

}  // namespace driftd::manifests::tool
