#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/hashed_bytes.hpp"
#include "manifests/manifest.hpp"
#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"

/// Who is believed, and what for. Pure rules: no clock, no files.
namespace driftd::manifests {

/// The keys whose signatures count, and how many different ones it takes.
struct TrustPolicy {
  std::vector<minisign::PublicKey> keys;
  /// Keys that counted once. Only to name the reason of a refusal; a key in both lists does not count.
  std::vector<minisign::PublicKey> revoked;
  unsigned threshold = 1;
  /// All ids that are revoked, also of keys whose file is gone. What was accepted by one of them no longer counts.
  std::vector<minisign::KeyId> revoked_ids{};
};

/// A manifest file as read, with all signature files found beside it.
struct SignedBytes {
  HashedBytes bytes;
  std::vector<std::string> signatures;
};

/// A manifest that enough trusted keys have signed. verify() is the only way to make one, and it verifies the raw
/// bytes before it parses any of them: what holds a VerifiedManifest needs no second thought about its origin.
class VerifiedManifest {
 public:
  static Result<VerifiedManifest> verify(const SignedBytes& input, const TrustPolicy& policy,
                                         KeepDigests keep = KeepDigests::one);

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] const Header& header() const { return manifest_.header(); }
  [[nodiscard]] const ContentId& content() const { return content_; }
  /// The trusted keys that signed, sorted by id, each once.
  [[nodiscard]] const std::vector<minisign::PublicKey>& keys() const { return keys_; }
  /// BLAKE2b-512 of the signed bytes: equal exactly where the manifests are the same file.
  [[nodiscard]] const minisign::Prehash& identity() const { return identity_; }

 private:
  VerifiedManifest(Manifest manifest, ContentId content, std::vector<minisign::PublicKey> keys,
                   const minisign::Prehash& identity)
      : manifest_(std::move(manifest)), content_(content), keys_(std::move(keys)), identity_(identity) {}

  Manifest manifest_;
  ContentId content_;
  std::vector<minisign::PublicKey> keys_;
  minisign::Prehash identity_;
};

/// What a tree accepts of all that is truly signed.
struct Scope {
  std::string name;
  std::vector<std::pair<std::string, std::string>> required_labels;
  std::uint64_t min_sequence = 0;
};

/// `scope`, or `replay` below the floor.
Result<void> check_scope(const Header& header, const Scope& scope);

/// `future` where created more than a day ahead of `now`, in seconds since 1970.
Result<void> check_creation(const Header& header, std::int64_t now);

bool is_expired(const Header& header, std::int64_t now);

}  // namespace driftd::manifests
