#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"
#include "manifests/trust.hpp"
#include "tests/unit/support/keys.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"

namespace driftd::test {

/// Some signers, made once a run. `alias` is alice's key pair under another id.
struct People {
  manifests::minisign::SecretKey alice = manifests::minisign::SecretKey::generate();
  manifests::minisign::SecretKey bob = manifests::minisign::SecretKey::generate();
  manifests::minisign::SecretKey carol = manifests::minisign::SecretKey::generate();
  manifests::minisign::SecretKey alias = with_key_id(alice, manifests::minisign::KeyId{0x0123456789ABCDEF});
};

inline const People& people() {
  static const People all;
  return all;
}

using Signers = std::vector<const manifests::minisign::SecretKey*>;

inline std::vector<manifests::minisign::PublicKey> public_keys(const Signers& signers) {
  std::vector<manifests::minisign::PublicKey> keys;
  for (const manifests::minisign::SecretKey* signer : signers) keys.push_back(signer->public_key());
  return keys;
}

inline std::vector<std::string> signatures(const Signers& signers, std::string_view bytes) {
  std::vector<std::string> files;
  for (const manifests::minisign::SecretKey* signer : signers) files.push_back(signer->sign(bytes, "test"));
  return files;
}

/// A manifest of one file.
inline std::string release(std::string name = "v103", std::uint64_t sequence = 103) {
  return manifests::write_manifest(build_manifest({{"app", file_entry("app")}}, header_of(std::move(name), sequence)));
}

inline manifests::VerifiedManifest verified(const std::string& bytes, const Signers& signers) {
  return must(manifests::VerifiedManifest::verify({bytes, signatures(signers, bytes)}, {public_keys(signers), {}, 1}));
}

}  // namespace driftd::test
