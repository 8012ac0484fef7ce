#include <cstdio>
#include <string>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/mtree.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/tool/commands.hpp"
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

std::string owner_of(const Attributes& attributes) {
  const auto part = [](const auto& name, const auto& number) {
    return name ? *name : number ? std::to_string(*number) : std::string("-");
  };
  if (!attributes.uname && !attributes.uid && !attributes.gname && !attributes.gid) return "-";
  return part(attributes.uname, attributes.uid) + ":" + part(attributes.gname, attributes.gid);
}

std::string mode_of(const Entry& entry) {
  char text[16];
  if (entry.attributes.mode) return std::snprintf(text, sizeof text, "%04o", *entry.attributes.mode), text;
  return entry.executable ? "exec" : entry.any_exec ? "any" : "-";
}

void show_entry(const std::string& path, const Entry& entry) {
  constexpr std::size_t kShortDigest = 12;
  std::string what;
  switch (entry.type) {
    case EntryType::file: what = "file"; break;
    case EntryType::directory: what = "dir"; break;
    case EntryType::symlink: what = "link"; break;
  }
  const auto& digest = entry.blake3 ? entry.blake3 : entry.sha256;
  std::printf("%-4s  %-5s %-12s %12s  %-12s  %s", what.c_str(), mode_of(entry).c_str(),
              owner_of(entry.attributes).c_str(), entry.size ? std::to_string(*entry.size).c_str() : "-",
              digest ? to_hex(*digest).substr(0, kShortDigest).c_str() : "-", escape(path).c_str());
  if (entry.attributes.link) std::printf(" -> %s", escape(*entry.attributes.link).c_str());
  if (entry.optional) std::printf("  (optional)");
  if (entry.ignore) std::printf("  (not checked below)");
  if (entry.attributes.capability) std::printf("  (capability)");
  if (entry.attributes.acl) std::printf("  (ACL)");
  std::printf("\n");
}

}  // namespace

Result<void> show(const std::string& file) {
  const auto bytes = read_file(file, kDefaultManifestLimit);
  if (!bytes) return bytes.error();
  const auto read = read_manifest(*bytes);
  if (!read) return with_context(file, read.error());
  show_header(*read);
  std::printf("signature  not looked at (driftd-manifest verify does)\n\n%-4s  %-5s %-12s %12s  %-12s  %s\n", "type",
              "mode", "owner", "size", "digest", "path");
  for (EntryIndex entry = 0; entry < read->manifest.size(); ++entry) {
    show_entry(entry == kRootEntry ? "." : read->manifest.path(entry), read->manifest.entry(entry));
  }
  return {};
}

}  // namespace driftd::manifests::tool
