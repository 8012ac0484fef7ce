#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/foreign_mtree.hpp"
#include "manifests/tool/output.hpp"
#include "manifests/tool/sha256sums.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr const char* kStandardInput = "standard input";

Result<std::string> read_standard_input() {
  std::string text;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(kStandardInput, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kDefaultManifestLimit) {
      return Error{ErrorCode::size, std::string(kStandardInput) + ": larger than 1 GiB"};
    }
  }
}

}  // namespace

Result<void> import_list(const ImportOptions& options) {
  auto header = make_header(options.header);
  if (!header) return header.error();
  std::vector<std::string> inputs = options.header.mutable_files;
  inputs.push_back(options.file);
  if (!options.header.artifact.empty()) inputs.push_back(options.header.artifact);
  if (auto free = require_manifest_output(options.output, inputs); !free) return free;
  const bool from_input = options.file == "-";
  const std::string name = from_input ? kStandardInput : options.file;
  const auto text = from_input ? read_standard_input() : read_file(options.file, kDefaultManifestLimit);
  if (!text) return text.error();
  auto imported = options.format == ImportFormat::mtree
                      ? parse_foreign_mtree(*text, {.mode = options.keep_mode, .owner = options.keep_owner})
                      : parse_sha256sums(*text);
  if (!imported) return with_context(name, imported.error());
  const auto manifest = std::move(imported->tree).finish(std::move(*header));
  if (!manifest) return with_context(name, manifest.error());
  const auto canonical = canonical_text(*manifest);
  if (!canonical) return canonical.error();
  for (const std::string& note : imported->notes) {
    std::fprintf(stderr, "%s: %s\n", escape(name).c_str(), note.c_str());
  }
  return write_new_manifest(*canonical, options.output);
}

}  // namespace driftd::manifests::tool
