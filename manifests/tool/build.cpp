#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/tool/archive_source.hpp"
#include "manifests/tool/build_options.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/directory_source.hpp"
#include "manifests/tool/output.hpp"
#include "manifests/tool/progress.hpp"
#include "manifests/tool/release_tree.hpp"

namespace driftd::manifests::tool {
namespace {

/// Where the output lies below the source, or empty.
std::string output_within_source(const BuildOptions& options) {
  if (options.output.empty()) return {};
  std::error_code error;
  const auto source = std::filesystem::canonical(options.source, error);
  const auto output = std::filesystem::weakly_canonical(options.output, error);
  const auto relative = output.lexically_relative(source);
  return error || relative.empty() || *relative.begin() == ".." ? std::string() : relative.string();
}

/// All files that are read as a whole.
std::vector<std::string> inputs_of(const BuildOptions& options) {
  std::vector<std::string> inputs = options.header.mutable_files;
  inputs.push_back(options.source);
  if (!options.header.artifact.empty()) inputs.push_back(options.header.artifact);
  return inputs;
}

/// The source, open where it is an archive.
Result<std::optional<ArchiveFile>> open_source(const std::string& source) {
  std::error_code error;
  if (source != "-" && std::filesystem::is_directory(source, error)) return std::optional<ArchiveFile>();
  auto archive = open_archive(source);
  if (!archive) return archive.error();
  return std::optional(std::move(*archive));
}

Result<void> read_source(const BuildOptions& options, const std::optional<ArchiveFile>& archive, ReleaseTree& tree) {
  Progress progress(options.no_progress ? Progress::Wanted::no : Progress::Wanted::on_terminal);
  const std::string name = options.source == "-" ? "standard input" : escape(options.source);
  Result<void> read;
  if (archive) {
    read = read_archive(*archive, tree, progress);
  } else {
    const unsigned threads = options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
    read = read_directory(options.source, {output_within_source(options), options.output.empty()}, threads, tree,
                          progress);
  }
  if (!read) return with_context(name, read.error());
  return {};
}

Result<Manifest> make_manifest(Header header, const ReleaseEntries& entries) {
  ManifestBuilder builder(std::move(header));
  for (const auto& [path, entry] : entries) {
    if (auto added = builder.add(path, entry); !added) return added.error();
  }
  return std::move(builder).finish();
}

}  // namespace

Result<void> build(const BuildOptions& options) {
  auto header = make_header(options.header);
  if (!header) return header.error();
  if (auto free = require_manifest_output(options.output, inputs_of(options)); !free) return free;
  const auto archive = open_source(options.source);
  if (!archive) return archive.error();
  SourceDefaults defaults;
  // dpkg sets the modes and owners that its packages carry; anything else on the host is drift.
  if (*archive && (*archive)->kind == ArchiveKind::deb) defaults = {ModePolicy::exact, "source"};
  const auto rules = make_rules(options, defaults, header->mutable_globs);
  if (!rules) return rules.error();
  if (*archive && (*archive)->kind == ArchiveKind::zip && rules->owner.from == OwnerRule::From::source) {
    return Error{ErrorCode::usage, "--owner source: a zip holds no owners; give USER:GROUP"};
  }

  ReleaseTree tree(*rules);
  if (auto read = read_source(options, *archive, tree); !read) return read;
  const BuildNotes notes = tree.notes();
  const auto entries = std::move(tree).finish();
  if (!entries) return entries.error();
  const auto manifest = make_manifest(std::move(*header), *entries);
  if (!manifest) return manifest.error();
  const auto text = canonical_text(*manifest);
  if (!text) return text.error();
  return write_new_manifest(
      *text, options.output,
      {options.source,
       {{"paths of the source that mutable rules leave out", notes.left_to_mutable},
        {"files and links that --strip-components leaves out", notes.stripped},
        {"warning: paths that are world-writable or setgid or have an ACL in the source, which is drift on a host "
         "unless --mode exact records it",
         notes.too_open.count, notes.too_open.first}}});
}

}  // namespace driftd::manifests::tool
