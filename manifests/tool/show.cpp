#include <cstdio>
#include <string>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/describe.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/tool/manifest_json.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {
namespace {

void line(const char* key, const std::string& value) {
  if (!value.empty()) std::printf("%-9s  %s\n", key, value.c_str());
}

void show_header(const ReadManifest& read) {
  const Header& header = read.manifest.header();
  line("name", header.name);
  line("release", header.release);
  line("sequence", std::to_string(header.sequence));
  line("created", format_utc(header.created));
  line("expires", header.expires ? format_utc(*header.expires) : "never");
  line("source", header.source);
  line("artifact", header.artifact);
  line("pipeline", header.pipeline);
  for (const auto& value : header.overrides) line("override", value);
  for (const auto& [key, value] : header.labels) line("label", key + "=" + value);
  for (const Glob& glob : header.mutable_globs) line("mutable", glob.text());
  line("entries", std::to_string(read.manifest.size()));
  line("content", "blake3:" + to_hex(read.content));
}

void show_entry(const std::string& path, const Entry& entry) {
  std::printf("%-4s  %-5s %-12s %12s  %-12s  %s", std::string(type_word(entry.type)).c_str(), mode_text(entry).c_str(),
              owner_and_group(entry.attributes).c_str(), size_text(entry).c_str(),
              short_digest(entry.blake3 ? entry.blake3 : entry.sha256).c_str(), escape(path).c_str());
  if (entry.attributes.link) std::printf(" -> %s", escape(*entry.attributes.link).c_str());
  if (entry.optional) std::printf("  (optional)");
  if (entry.ignore) std::printf("  (not checked below)");
  if (entry.attributes.capability) std::printf("  (capability)");
  if (entry.attributes.acl) std::printf("  (ACL)");
  std::printf("\n");
}

}  // namespace

Result<void> show(const ShowOptions& options) {
  const auto read = load_unverified(options.file);
  if (!read) return read.error();
  if (options.format == Format::json) {
    print_json(*read);
    return {};
  }
  show_header(*read);
  std::printf("signature  not looked at (driftd-manifest verify does)\n\n%-4s  %-5s %-12s %12s  %-12s  %s\n", "type",
              "mode", "owner", "size", "digest", "path");
  for (EntryIndex entry = 0; entry < read->manifest.size(); ++entry) {
    show_entry(entry == kRootEntry ? "." : read->manifest.path(entry), read->manifest.entry(entry));
  }
  return {};
}

}  // namespace driftd::manifests::tool
