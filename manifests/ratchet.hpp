#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/minisign.hpp"
#include "manifests/trust.hpp"

namespace driftd::manifests {

/// The highest sequence that one set of keys has vouched for.
struct Vouched {
  std::uint64_t sequence = 0;
  minisign::Prehash identity{};           ///< of the manifest, see VerifiedManifest::identity()
  std::vector<minisign::PublicKey> keys;  ///< sorted, at least one

  friend bool operator==(const Vouched&, const Vouched&) = default;
};

/// What a host remembers of the releases that one tree accepted, so that nobody can talk it back to an older one. Kept
/// by the keys that signed: what revoked keys alone have vouched for stops counting, so that a leaked key cannot lock
/// a fleet out with a huge number.
class Ratchet {
 public:
  Ratchet() = default;
  explicit Ratchet(std::vector<Vouched> vouched) : vouched_(std::move(vouched)) {}

  /// The highest that counts under `policy`; null where nothing does.
  [[nodiscard]] const Vouched* highest(const TrustPolicy& policy) const;

  /// May `next` be accepted? A lower sequence than the highest is a `replay`, an equal one with other bytes
  /// `equivocation`.
  [[nodiscard]] Result<void> check(const VerifiedManifest& next, const TrustPolicy& policy) const;

  /// `accepted` is in force from now on.
  void advance(const VerifiedManifest& accepted);

  [[nodiscard]] std::span<const Vouched> vouched() const { return vouched_; }

 private:
  std::vector<Vouched> vouched_;
};

/// Do the keys that signed `manifest` still make up what `policy` asks for? `revoked` where revoking made the
/// difference, else `signature`.
Result<void> check_still_trusted(const VerifiedManifest& manifest, const TrustPolicy& policy);

}  // namespace driftd::manifests
