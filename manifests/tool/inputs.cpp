#include "manifests/tool/inputs.hpp"

#include "manifests/file_io.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/trust_store.hpp"

namespace driftd::manifests::tool {

Result<ReadManifest> load_unverified(const std::string& file) {
  const auto bytes = read_file(file, kDefaultManifestLimit);
  if (!bytes) return bytes.error();
  auto read = read_manifest(*bytes, KeepDigests::all);
  if (!read) return with_context(file, read.error());
  return read;
}

Result<VerifiedManifest> load_verified(const std::string& file, const TrustOptions& trust) {
  if (trust.threshold > trust.public_keys.size()) {
    return Error{ErrorCode::usage, "--threshold " + std::to_string(trust.threshold) + ": more than the " +
                                       std::to_string(trust.public_keys.size()) + " that are named by -p"};
  }
  TrustPolicy policy;
  policy.threshold = trust.threshold;
  for (const std::string& path : trust.public_keys) {
    const auto key = load_public_key(path);
    if (!key) return key.error();
    policy.keys.push_back(*key);
  }
  const auto input = read_signed_file(file);
  if (!input) return input.error();
  auto verified = VerifiedManifest::verify(*input, policy, KeepDigests::all);
  if (!verified) return with_context(file, verified.error());
  return verified;
}

}  // namespace driftd::manifests::tool
