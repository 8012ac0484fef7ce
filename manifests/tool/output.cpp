#include "manifests/tool/output.hpp"

#include <cerrno>
#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"

namespace driftd::manifests::tool {
namespace {

void report(const ReadManifest& read, const std::string& output) {
  const Manifest& manifest = read.manifest;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t unchecked = 0;
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.type(entry) != EntryType::file) continue;
    ++files;
    bytes += manifest.size_of(entry).value_or(0);
    if (manifest.blake3(entry) == nullptr && manifest.sha256(entry) == nullptr) ++unchecked;
  }
  std::fprintf(stderr, "%s %s: %u entries, %llu files, %llu bytes, content blake3:%s\n", manifest.header().name.c_str(),
               manifest.header().release.c_str(), manifest.size(), static_cast<unsigned long long>(files),
               static_cast<unsigned long long>(bytes), to_hex(read.content).c_str());
  for (const Glob& glob : manifest.header().mutable_globs) {
    std::fprintf(stderr, "not checked on the host: whatever matches %s\n", glob.text().c_str());
  }
  if (unchecked > 0) {
    std::fprintf(stderr, "not checked on the host: the content of %llu listed files\n",
                 static_cast<unsigned long long>(unchecked));
  }
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

Result<CanonicalText> canonical_text(const Manifest& manifest) {
  std::string bytes = write_manifest(manifest);
  auto read = read_manifest(bytes);
  if (!read) return with_context("the manifest as it would be written", read.error());
  return CanonicalText{std::move(bytes), std::move(*read)};
}

Result<void> write_new_manifest(const CanonicalText& manifest, const std::string& output) {
  if (auto written = write_output(manifest.bytes, output); !written) return written;
  report(manifest.read, output);
  return {};
}

}  // namespace driftd::manifests::tool
