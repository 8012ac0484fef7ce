#include "manifests/ratchet.hpp"

#include <algorithm>

namespace driftd::manifests {
namespace {

bool is_revoked(const minisign::PublicKey& key, const TrustPolicy& policy) {
  const auto& ids = policy.revoked_ids;
  return std::find(ids.begin(), ids.end(), key.id) != ids.end() ||
         std::any_of(policy.revoked.begin(), policy.revoked.end(),
                     [&](const auto& revoked) { return revoked.bytes == key.bytes; });
}

bool is_trusted(const minisign::PublicKey& key, const TrustPolicy& policy) {
  return std::any_of(policy.keys.begin(), policy.keys.end(),
                     [&](const auto& trusted) { return trusted.bytes == key.bytes; });
}

/// Whenever `a` counts, `b` does, and says at least as much.
bool is_covered(const Vouched& a, const Vouched& b) {
  return a.sequence <= b.sequence && std::includes(b.keys.begin(), b.keys.end(), a.keys.begin(), a.keys.end());
}

}  // namespace

const Vouched* Ratchet::highest(const TrustPolicy& policy) const {
  const Vouched* highest = nullptr;
  for (const Vouched& one : vouched_) {
    const bool counts =
        !std::all_of(one.keys.begin(), one.keys.end(), [&](const auto& key) { return is_revoked(key, policy); });
    if (counts && (highest == nullptr || one.sequence > highest->sequence)) highest = &one;
  }
  return highest;
}

Result<void> Ratchet::check(const VerifiedManifest& next, const TrustPolicy& policy) const {
  const Vouched* accepted = highest(policy);
  if (accepted == nullptr) return {};
  const std::uint64_t offered = next.header().sequence;
  if (offered < accepted->sequence) {
    return Error{ErrorCode::replay, "sequence " + std::to_string(offered) + " is older than " +
                                        std::to_string(accepted->sequence) +
                                        ", which was accepted before; sign it anew with a higher one to go back "
                                        "(driftd-manifest relabel)"};
  }
  if (offered == accepted->sequence && next.identity() != accepted->identity) {
    return Error{ErrorCode::equivocation,
                 "sequence " + std::to_string(offered) + " was accepted before with other bytes"};
  }
  return {};
}

void Ratchet::advance(const VerifiedManifest& accepted) {
  const Vouched latest{accepted.header().sequence, accepted.identity(), accepted.keys()};
  std::erase_if(vouched_, [&](const Vouched& one) { return is_covered(one, latest); });
  if (std::none_of(vouched_.begin(), vouched_.end(), [&](const Vouched& one) { return is_covered(latest, one); })) {
    vouched_.push_back(latest);
  }
}

Result<void> check_still_trusted(const VerifiedManifest& manifest, const TrustPolicy& policy) {
  unsigned good = 0;
  unsigned revoked = 0;
  for (const auto& key : manifest.keys()) {
    if (is_revoked(key, policy)) {
      ++revoked;
    } else if (is_trusted(key, policy)) {
      ++good;
    }
  }
  if (good >= policy.threshold) return {};
  if (good + revoked >= policy.threshold) {
    return Error{ErrorCode::revoked, "the release in force was signed by a key that is revoked now"};
  }
  return Error{ErrorCode::signature, "the release in force was signed by a key that is not trusted any more"};
}

}  // namespace driftd::manifests
