#include "manifests/trust.hpp"

#include <algorithm>

#include "manifests/escape.hpp"

namespace driftd::manifests {
namespace {

constexpr std::int64_t kMaxClockSkew = 24 * 60 * 60;

const minisign::PublicKey* signer(const minisign::Signature& signature, std::span<const minisign::PublicKey> keys,
                                  const minisign::Prehash& message) {
  const auto at = std::find_if(keys.begin(), keys.end(),
                               [&](const auto& key) { return minisign::verify(signature, key, message); });
  return at == keys.end() ? nullptr : &*at;
}

/// Why a signature does not count, from the least to the most telling.
enum class Refusal { none, unknown_key, malformed, changed_bytes, revoked_key };

bool same_bytes(const minisign::PublicKey& a, const minisign::PublicKey& b) { return a.bytes == b.bytes; }

/// The trusted keys among the signers, each public key once. Signatures by unknown keys are passed over; the reason
/// of a refusal names the most telling of what was seen.
Result<std::vector<minisign::PublicKey>> count_signers(const SignedBytes& input, const TrustPolicy& policy) {
  const minisign::Prehash& message = input.bytes.hash();
  if (input.signatures.empty()) return Error{ErrorCode::signature, "no signature"};
  std::vector<minisign::PublicKey> signers;
  std::string why;
  Refusal worst = Refusal::none;
  const auto refuse = [&](Refusal refusal, std::string text) {
    if (refusal <= worst) return;
    worst = refusal;
    why = std::move(text);
  };
  for (const std::string& text : input.signatures) {
    const auto signature = minisign::parse_signature(text);
    if (!signature) {
      refuse(Refusal::malformed, signature.error().message);
      continue;
    }
    const auto* key = signer(*signature, policy.keys, message);
    // Under another id it is the same key.
    const bool revoked = signer(*signature, policy.revoked, message) != nullptr ||
                         (key != nullptr && std::any_of(policy.revoked.begin(), policy.revoked.end(),
                                                        [&](const auto& bad) { return same_bytes(bad, *key); }));
    if (revoked) {
      refuse(Refusal::revoked_key, "signed by key " + to_string(signature->key) + ", which is revoked");
    } else if (key != nullptr) {
      signers.push_back(*key);
    } else if (std::any_of(policy.keys.begin(), policy.keys.end(),
                           [&](const auto& trusted) { return trusted.id == signature->key; })) {
      refuse(Refusal::changed_bytes, "the bytes were changed after signing: the signature by key " +
                                         to_string(signature->key) + " does not fit them");
    } else {
      refuse(Refusal::unknown_key, "signed by key " + to_string(signature->key) + ", which is not trusted here");
    }
  }
  // The same public key under two ids is one key.
  std::sort(signers.begin(), signers.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  signers.erase(std::unique(signers.begin(), signers.end(), same_bytes), signers.end());
  std::sort(signers.begin(), signers.end());
  if (signers.size() >= policy.threshold && !signers.empty()) return signers;
  const bool by_revoked_only = worst == Refusal::revoked_key && signers.empty();
  const ErrorCode code = by_revoked_only ? ErrorCode::revoked : ErrorCode::signature;
  if (policy.threshold <= 1) return Error{code, why};
  return Error{code, "good signatures by " + std::to_string(signers.size()) + " of the " +
                         std::to_string(policy.threshold) + " different keys that are wanted" +
                         (why.empty() ? "" : "; " + why)};
}

}  // namespace

Result<VerifiedManifest> VerifiedManifest::verify(const SignedBytes& input, const TrustPolicy& policy,
                                                  KeepDigests keep) {
  auto signers = count_signers(input, policy);
  if (!signers) return signers.error();
  auto read = read_manifest(input.bytes.text(), keep);
  if (!read) return read.error();
  return VerifiedManifest(std::move(read->manifest), read->content, std::move(*signers), input.bytes.hash());
}

Result<void> check_scope(const Header& header, const Scope& scope) {
  if (header.name != scope.name) {
    return Error{ErrorCode::scope,
                 "is for '" + header.name + "', this tree takes '" + escape(scope.name) + "' (see manifest_name)"};
  }
  for (const auto& wanted : scope.required_labels) {
    if (std::find(header.labels.begin(), header.labels.end(), wanted) == header.labels.end()) {
      return Error{ErrorCode::scope, "has no signed label " + escape(wanted.first) + "=" + escape(wanted.second) +
                                         ", which this tree requires"};
    }
  }
  if (header.sequence < scope.min_sequence) {
    return Error{ErrorCode::replay, "sequence " + std::to_string(header.sequence) +
                                        " is below this tree's min_sequence " + std::to_string(scope.min_sequence)};
  }
  return {};
}

Result<void> check_creation(const Header& header, std::int64_t now) {
  if (header.created > now + kMaxClockSkew) {
    return Error{ErrorCode::future, "was created more than a day ahead of this host's clock; check the clock"};
  }
  return {};
}

bool is_expired(const Header& header, std::int64_t now) { return header.expires && *header.expires <= now; }

}  // namespace driftd::manifests
