#include "manifests/tool/options.hpp"

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

}  // namespace driftd::manifests::tool
