#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/standing.hpp"
#include "daemon/state_store.hpp"
#include "manifests/mtree.hpp"
#include "tests/unit/support/people.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace driftd::test {

/// A host with a trust directory, a state and one tree `app`, which takes manifests of `myapp` for production. Alice
/// and bob are trusted. What decide() said last is what the daemon remembers; restart() forgets that.
class Host {
 public:
  static constexpr std::int64_t kNow = 1'763'720'000;
  static constexpr std::int64_t kBuildTime = 1'700'000'000;

  Host() {
    files.dir("trust.d");
    trust("alice", people().alice.public_key());
    trust("bob", people().bob.public_key());
    tree.name = "app";
    tree.root = files.at("root");
    tree.manifest = files.at("app.manifest");
    tree.manifest_name = "myapp";
    tree.require = {{"env", "production"}};
    trusted.directories = {files.at("trust.d")};
  }

  void trust(const std::string& name, const manifests::minisign::PublicKey& key) const {
    files.file("trust.d/" + name + ".pub", write_public_key(key));
  }
  void revoke(const manifests::minisign::PublicKey& key) const {
    files.append("trust.d/revoked", to_string(key.id) + "\n");
  }

  /// Puts a manifest and its signatures where the daemon looks; what lay there goes.
  void publish_with(const std::string& bytes, const std::vector<std::string>& signatures) const {
    clear();
    files.file("app.manifest", bytes);
    std::string name = "app.manifest.minisig";
    for (std::size_t at = 0; at < signatures.size(); ++at) {
      files.file(name, signatures[at]);
      const std::string id = std::to_string(at);
      name = "app.manifest.minisig." + std::string(16 - id.size(), '0') + id;
    }
  }
  void publish(const std::string& bytes, const Signers& signers = {&people().alice}) const {
    publish_with(bytes, test::signatures(signers, bytes));
  }
  void clear() const {
    for (const auto& one : std::filesystem::directory_iterator(files.path())) {
      const std::string name = one.path().filename();
      if (name.starts_with("app.manifest")) files.remove(name);
    }
  }

  const daemon::Standing& decide(daemon::Arrival arrival = daemon::Arrival::in_place) {
    if (!store) store.emplace(daemon::StateStore::open(files.at("state")));
    auto offer = daemon::look_for_offer(trusted, tree, limit);
    standing = daemon::decide({tree, limit, now, kBuildTime, arrival}, std::move(offer), standing, *store);
    return standing;
  }
  const daemon::Standing& restart() {
    standing = {};
    store.reset();
    return decide();
  }

  /// Every file of the state, with its content.
  [[nodiscard]] std::map<std::string, std::string> state() const {
    std::map<std::string, std::string> contents;
    for (const auto& one : std::filesystem::recursive_directory_iterator(files.at("state"))) {
      if (one.is_regular_file()) contents[one.path()] = read_whole(one.path());
    }
    return contents;
  }

  TempTree files;
  daemon::TreeConfig tree;
  daemon::TrustConfig trusted;
  std::size_t limit = std::size_t{1} << 20U;
  std::int64_t now = kNow;
  daemon::Standing standing;
  std::optional<daemon::StateStore> store;
};

/// The header that the host's tree takes.
inline manifests::Header production(std::uint64_t sequence) {
  manifests::Header header = header_of("v" + std::to_string(sequence), sequence);
  header.labels = {{"env", "production"}};
  return header;
}

inline std::string text_of(const Entries& entries, manifests::Header header) {
  return manifests::write_manifest(build_manifest(entries, std::move(header)));
}

/// A manifest of one file that holds its sequence.
inline std::string production_release(std::uint64_t sequence) {
  return text_of({{"app", file_entry("app " + std::to_string(sequence))}}, production(sequence));
}

/// The text with `what` in the place of `part`, and a content id that fits: what a broken or hostile tool could sign.
inline std::string forged(std::string text, std::string_view part, std::string_view what) {
  const std::size_t at = text.find(part);
  if (at == std::string::npos) throw std::runtime_error("nothing to forge");
  text.replace(at, part.size(), what);
  constexpr std::string_view kContent = "#content: blake3:";
  const std::size_t id = text.find(kContent);
  if (id == std::string::npos) return text;
  const std::size_t body = text.find('\n', id) + 1;
  manifests::Blake3 hash;
  for (std::size_t line = 0; line < id;) {
    const std::size_t end = text.find('\n', line) + 1;
    const std::string_view one = std::string_view(text).substr(line, end - line);
    if (one.starts_with("#mutable")) hash.update(one);
    line = end;
  }
  hash.update(std::string_view(text).substr(body));
  text.replace(id + kContent.size(), 64, to_hex(hash.finish()));
  return text;
}

}  // namespace driftd::test
