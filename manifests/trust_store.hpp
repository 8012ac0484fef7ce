#pragma once

#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/minisign.hpp"
#include "manifests/trust.hpp"

namespace driftd::manifests {

/// A public key file of a trust directory, named by its file name without `.pub`.
struct NamedKey {
  std::string name;
  minisign::PublicKey key;
};

/// What the trust directories hold: keys that count and keys that are revoked.
struct TrustStore {
  std::vector<NamedKey> keys;
  std::vector<NamedKey> revoked;
  std::vector<minisign::KeyId> revoked_ids{};  ///< as listed, whether or not there is a file with that key

  /// The policy for a tree. `names` narrows the keys to those; empty means all. A name that no directory has is an
  /// error, and so is a policy that could not be met even with the revoked keys; where revoking made it so, refusing
  /// what they signed gives the better reason.
  [[nodiscard]] Result<TrustPolicy> policy(const std::vector<std::string>& names, unsigned threshold) const;
};

/// Reads every `*.pub` and the file `revoked` (a key id a line, `#` starts a comment) of the directories. A directory
/// that does not exist holds nothing. One in which anything is refused (wrong owner, writable by group or others, a
/// link, unparsable) makes the whole call fail, so that a broken `revoked` file never fails open. Revoking a key id
/// revokes every file with the public key of any file with that id.
Result<TrustStore> load_trust_store(const std::vector<std::string>& directories);

/// Reads one public key that a person named; ownership does not matter.
Result<minisign::PublicKey> load_public_key(const std::string& path);

}  // namespace driftd::manifests
