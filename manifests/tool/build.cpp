#include <algorithm>
#include <filesystem>
#include <thread>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/directory_source.hpp"
#include "manifests/tool/output.hpp"

namespace driftd::manifests::tool {
namespace {

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

/// Where the output lies below the source, or empty.
std::string output_within_source(const BuildOptions& options) {
  if (options.output.empty()) return {};
  std::error_code error;
  const auto source = std::filesystem::canonical(options.source, error);
  const auto output = std::filesystem::weakly_canonical(options.output, error);
  const auto relative = output.lexically_relative(source);
  return error || relative.empty() || *relative.begin() == ".." ? std::string() : relative.string();
}

}  // namespace

Result<void> build(const BuildOptions& options) {
  auto header = make_header(options.header);
  if (!header) return header.error();

  SourceRules rules;
  rules.mode = options.mode;
  rules.owner = options.owner;
  rules.blake3 = options.blake3;
  rules.sha256 = options.sha256;
  rules.mutable_globs = header->mutable_globs;
  rules.optional_paths = options.optional_paths;
  rules.own_manifest = output_within_source(options);
  rules.threads = options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (rules.owner != "none" && rules.owner != "source" && rules.owner.find(':') == std::string::npos) {
    return usage("--owner '" + escape(rules.owner) + "': must be USER:GROUP, 'source' or 'none'");
  }
  const auto entries = read_directory(options.source, rules);
  if (!entries) return with_context(options.source, entries.error());

  ManifestBuilder builder(std::move(*header));
  for (const SourceEntry& entry : *entries) {
    if (auto added = builder.add(entry.path, entry.entry); !added) return added.error();
  }
  const auto manifest = std::move(builder).finish();
  if (!manifest) return manifest.error();
  const auto text = canonical_text(*manifest);
  if (!text) return text.error();
  return write_new_manifest(*text, options.output);
}

}  // namespace driftd::manifests::tool
