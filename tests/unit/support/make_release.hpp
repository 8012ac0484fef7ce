#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/manifest.hpp"
#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"
#include "manifests/trust.hpp"
#include "tests/unit/support/must.hpp"

/// Signed manifests for tests, made from a plain map of paths or from what stands in a directory.
namespace driftd::test {

/// Depth first, siblings in byte order: a slash sorts before every other byte.
struct DepthFirst {
  bool operator()(std::string_view a, std::string_view b) const {
    const auto weight = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char one, char other) { return weight(one) < weight(other); });
  }
};

/// By path below the root, without the root itself.
using Entries = std::map<std::string, manifests::Entry, DepthFirst>;

inline manifests::Digest blake3_of(std::string_view content) {
  manifests::Blake3 hash;
  hash.update(content);
  return hash.finish();
}

inline manifests::Digest sha256_of(std::string_view content) {
  manifests::Sha256 hash;
  hash.update(content.data(), content.size());
  return hash.finish();
}

inline manifests::Entry file_entry(std::string_view content, bool executable = false) {
  manifests::Entry entry;
  entry.executable = executable;
  entry.size = content.size();
  entry.blake3 = blake3_of(content);
  entry.sha256 = sha256_of(content);
  return entry;
}

inline manifests::Entry dir_entry() {
  manifests::Entry entry;
  entry.type = manifests::EntryType::directory;
  return entry;
}

inline manifests::Entry ignored_dir_entry() {
  manifests::Entry entry = dir_entry();
  entry.ignore = true;
  return entry;
}

inline manifests::Entry link_entry(std::string target) {
  manifests::Entry entry;
  entry.type = manifests::EntryType::symlink;
  entry.attributes.link = std::move(target);
  return entry;
}

/// A file that may be absent and have any content.
inline manifests::Entry optional_entry() {
  manifests::Entry entry;
  entry.optional = true;
  return entry;
}

inline manifests::Header header_of(std::string release = "v103", std::uint64_t sequence = 103) {
  manifests::Header header;
  header.name = "myapp";
  header.release = std::move(release);
  header.sequence = sequence;
  header.created = 1'763'719'200;  // 2025-11-21T10:00:00Z
  return header;
}

inline manifests::Header with_globs(manifests::Header header, const std::vector<std::string>& globs) {
  for (const std::string& glob : globs) header.mutable_globs.push_back(*manifests::Glob::parse(glob));
  return header;
}

/// Throws for what no manifest can be.
inline manifests::Manifest build_manifest(const Entries& entries, manifests::Header header = header_of()) {
  manifests::ManifestBuilder builder(std::move(header));
  must(builder.add(".", dir_entry()));
  for (const auto& [path, entry] : entries) must(builder.add(path, entry));
  return must(std::move(builder).finish());
}

/// The key that signs in tests, made once a run.
inline const manifests::minisign::SecretKey& signing_key() {
  static const auto key = manifests::minisign::SecretKey::generate();
  return key;
}

inline std::shared_ptr<const manifests::VerifiedManifest> sign_manifest(const manifests::Manifest& manifest) {
  const std::string bytes = manifests::write_manifest(manifest);
  const manifests::TrustPolicy policy{{signing_key().public_key()}, {}, 1};
  return std::make_shared<const manifests::VerifiedManifest>(
      must(manifests::VerifiedManifest::verify({bytes, {signing_key().sign(bytes, "test")}}, policy)));
}

inline std::shared_ptr<const manifests::VerifiedManifest> make_release(const Entries& entries,
                                                                       manifests::Header header = header_of()) {
  return sign_manifest(build_manifest(entries, std::move(header)));
}

inline std::string read_whole(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream content;
  content << stream.rdbuf();
  return std::move(content).str();
}

/// What stands in a directory, as a release of it would list it.
inline Entries record(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  Entries entries;
  for (const fs::directory_entry& found : fs::recursive_directory_iterator(root)) {
    const std::string path = found.path().lexically_relative(root).native();
    switch (const fs::file_status status = found.symlink_status(); status.type()) {
      case fs::file_type::directory: entries[path] = dir_entry(); break;
      case fs::file_type::symlink: entries[path] = link_entry(fs::read_symlink(found.path()).native()); break;
      case fs::file_type::regular: {
        const bool executable = (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
        entries[path] = file_entry(read_whole(found.path()), executable);
        break;
      }
      default: throw std::runtime_error("no manifest can list " + path);
    }
  }
  return entries;
}

}  // namespace driftd::test
