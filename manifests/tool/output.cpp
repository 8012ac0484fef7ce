#include "manifests/tool/output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests::tool {
namespace {

struct Counts {
  unsigned long long files = 0;
  unsigned long long bytes = 0;
  unsigned long long any_content = 0;
  unsigned long long any_exec = 0;
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
    if (manifest.any_exec(entry)) ++counts.any_exec;
    if (manifest.blake3(entry) == nullptr && manifest.sha256(entry) == nullptr) ++counts.any_content;
  }
  return counts;
}

/// ` (a, b, c, ...)`
std::string examples(const Note& note) {
  if (note.first.empty()) return {};
  std::string text;
  for (const std::string& path : note.first) text += (text.empty() ? " (" : ", ") + escape(path);
  return text + (note.first.size() < note.paths ? ", ...)" : ")");
}

bool is_same_file(const struct stat& file, const std::string& input) {
  struct stat other {};
  const int status = input == "-" ? ::fstat(STDIN_FILENO, &other) : ::stat(input.c_str(), &other);
  return status == 0 && other.st_dev == file.st_dev && other.st_ino == file.st_ino;
}

/// What the rules leave unchecked is said where the rules are written.
void report(const ReadManifest& read, const NewManifest& told, const std::string& output) {
  const Header& header = read.manifest.header();
  const Counts counts = count(read.manifest);
  const std::string from = told.source.empty() ? "" : " from " + escape(told.source);
  std::fprintf(stderr, "%s %s%s: %u entries, %llu files, %llu bytes, content blake3:%s\n", header.name.c_str(),
               header.release.c_str(), from.c_str(), read.manifest.size(), counts.files, counts.bytes,
               to_hex(read.content).c_str());
  for (const Glob& glob : header.mutable_globs) {
    std::fprintf(stderr, "not checked on the host: whatever matches %s\n", glob.text().c_str());
  }
  const auto note = [](const char* what, unsigned long long paths, const std::string& some = {}) {
    if (paths > 0) std::fprintf(stderr, "%s: %llu%s\n", what, paths, some.c_str());
  };
  note("mutable rules", header.mutable_globs.size());
  note("directories below which nothing is checked", counts.open_directories);
  note("listed files whose content is not checked", counts.any_content);
  note("files that may be executable or not", counts.any_exec);
  note("listed paths that may be absent", counts.may_be_absent);
  for (const Note& one : told.notes) note(one.what, one.paths, examples(one));
  if (!output.empty()) {
    std::fprintf(stderr, "Next: driftd-manifest sign -s release.key %s\n", escape(output).c_str());
  }
}

}  // namespace

Result<void> write_output(std::string_view text, const std::string& output) {
  if (!output.empty()) return write_file(output, text, 0644, Existing::replace);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return system_error("standard output", errno);
  }
  return {};
}

Result<void> require_manifest_output(const std::string& output, const std::vector<std::string>& inputs) {
  struct stat there {};
  // What is no regular file is left to write_file(), which replaces none.
  if (output.empty() || ::stat(output.c_str(), &there) != 0 || !S_ISREG(there.st_mode)) return {};
  for (const std::string& input : inputs) {
    if (!is_same_file(there, input)) continue;
    return Error{ErrorCode::usage, "-o " + escape(output) + ": is what the manifest is made from"};
  }
  constexpr std::string_view kStart = "#mtree";
  const UniqueFd file(::open(output.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return system_error(output, errno);
  std::array<char, kStart.size()> start{};
  const ssize_t got = ::pread(file.get(), start.data(), start.size(), 0);
  if (got < 0) return system_error(output, errno);
  if (got == 0 || std::string_view(start.data(), static_cast<std::size_t>(got)) == kStart) return {};
  return Error{ErrorCode::io, escape(output) + ": exists and is no manifest: not replaced"};
}

Result<CanonicalText> canonical_text(const Manifest& manifest) {
  std::string bytes = write_manifest(manifest);
  auto read = read_manifest(bytes);
  if (!read) return with_context("the manifest as it would be written", read.error());
  return CanonicalText{std::move(bytes), std::move(*read)};
}

Result<void> write_new_manifest(const CanonicalText& manifest, const std::string& output, const NewManifest& told) {
  if (auto written = write_output(manifest.bytes, output); !written) return written;
  report(manifest.read, told, output);
  return {};
}

}  // namespace driftd::manifests::tool
