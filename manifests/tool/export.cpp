#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/tool/manifest_json.hpp"
#include "manifests/tool/sha256sums.hpp"

namespace driftd::manifests::tool {
namespace {

/// Files that may be absent or may have any content cannot be part of a list that is checked whole; a file whose
/// SHA-256 is merely not recorded would be missing from it.
Result<void> export_sha256sums(const Manifest& manifest, const std::string& file) {
  std::uint64_t left_out = 0;
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.type(entry) == EntryType::file && manifest.sha256(entry) == nullptr &&
        manifest.blake3(entry) != nullptr) {
      return Error{ErrorCode::format, escape(file) + ": '" + escape(manifest.path(entry)) +
                                          "' has no SHA-256 digest (see driftd-manifest build --digest)"};
    }
  }
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.type(entry) == EntryType::directory) continue;
    const Digest* digest = manifest.sha256(entry);
    if (digest == nullptr || manifest.optional(entry)) {
      ++left_out;
      std::fprintf(stderr, "left out: %s (%s)\n", escape(manifest.path(entry)).c_str(),
                   manifest.type(entry) == EntryType::symlink ? "a link"
                   : digest == nullptr                        ? "no content is recorded"
                                                              : "may be absent");
      continue;
    }
    const std::string line = sha256sums_line(manifest.path(entry), *digest);
    std::fwrite(line.data(), 1, line.size(), stdout);
  }
  if (left_out > 0) {
    std::fprintf(stderr, "%llu entries have no place in such a list and were left out\n",
                 static_cast<unsigned long long>(left_out));
  }
  return {};
}

}  // namespace

Result<void> export_manifest(const ExportOptions& options) {
  const auto read = load_unverified(options.file);
  if (!read) return read.error();
  if (options.format == ExportFormat::json) {
    print_json(*read);
    return {};
  }
  return export_sha256sums(read->manifest, options.file);
}

}  // namespace driftd::manifests::tool
