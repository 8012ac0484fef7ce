#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/mtree.hpp"
#include "manifests/tool/archive_source.hpp"
#include "manifests/tool/build_options.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/directory_source.hpp"
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

struct Counts {
  unsigned long long files = 0;
  unsigned long long bytes = 0;
  unsigned long long any_content = 0;
  unsigned long long may_be_absent = 0;
  unsigned long long open_directories = 0;
};

Counts count(const Manifest& manifest) {
  Counts counts;
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.optional(entry)) ++counts.may_be_absent;
    if (manifest.ignore(entry)) ++counts.open_directories;
    if (manifest.type(entry) != EntryType::file) continue;
    ++counts.files;
    counts.bytes += manifest.size_of(entry).value_or(0);
    if (manifest.blake3(entry) == nullptr && manifest.sha256(entry) == nullptr) ++counts.any_content;
  }
  return counts;
}

/// What the rules leave unchecked is said where the rules are written.
void report(const BuildOptions& options, const BuildNotes& notes, const ReadManifest& read) {
  const Header& header = read.manifest.header();
  const Counts counts = count(read.manifest);
  std::fprintf(stderr, "%s %s from %s: %u entries, %llu files, %llu bytes, content blake3:%s\n", header.name.c_str(),
               header.release.c_str(), escape(options.source).c_str(), read.manifest.size(), counts.files, counts.bytes,
               to_hex(read.content).c_str());
  for (const Glob& glob : header.mutable_globs) {
    std::fprintf(stderr, "not checked on the host: whatever matches %s\n", glob.text().c_str());
  }
  if (!header.mutable_globs.empty()) {
    std::fprintf(stderr, "%zu mutable rules leave %zu paths of the source and all below %llu directories unchecked\n",
                 header.mutable_globs.size(), notes.left_to_mutable, counts.open_directories);
  }
  const auto note = [](const char* what, unsigned long long paths) {
    if (paths > 0) std::fprintf(stderr, "%s: %llu\n", what, paths);
  };
  note("listed files whose content is not checked", counts.any_content);
  note("listed paths that may be absent", counts.may_be_absent);
  note("files and links that --strip-components leaves out", notes.stripped);
  note(
      "warning: paths that are world-writable or setgid in the source, which is drift on a host unless --mode exact "
      "records it",
      notes.too_open);
  if (!options.output.empty()) {
    std::fprintf(stderr, "Next: driftd-manifest sign -s release.key %s\n", escape(options.output).c_str());
  }
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
    read = read_directory(options.source, output_within_source(options), threads, tree, progress);
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

Result<void> write_out(const std::string& output, const std::string& text) {
  if (!output.empty()) return write_file(output, text, 0644, Existing::replace);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return system_error("standard output", errno);
  }
  return {};
}

}  // namespace

Result<void> build(const BuildOptions& options) {
  auto header = make_header(options);
  if (!header) return header.error();
  const auto archive = open_source(options.source);
  if (!archive) return archive.error();
  SourceDefaults defaults;
  // dpkg sets the modes and owners that its packages carry; anything else on the host is drift.
  if (*archive && (*archive)->kind == ArchiveKind::deb) defaults = {ModePolicy::exact, "source"};
  const auto rules = make_rules(options, defaults);
  if (!rules) return rules.error();
  if (*archive && (*archive)->kind == ArchiveKind::zip && rules->owner.from == OwnerRule::From::source) {
    return Error{ErrorCode::usage, "--owner source: a zip holds no owners; give USER:GROUP"};
  }
  header->mutable_globs = rules->mutable_globs;

  ReleaseTree tree(*rules);
  if (auto read = read_source(options, *archive, tree); !read) return read;
  const BuildNotes notes = tree.notes();
  const auto entries = std::move(tree).finish();
  if (!entries) return entries.error();
  const auto manifest = make_manifest(std::move(*header), *entries);
  if (!manifest) return manifest.error();
  const std::string text = write_manifest(*manifest);
  // What the strict reader does not take, no host would.
  const auto read = read_manifest(text);
  if (!read) return with_context("the manifest as it would be written", read.error());
  if (auto written = write_out(options.output, text); !written) return written;
  report(options, notes, *read);
  return {};
}

}  // namespace driftd::manifests::tool
