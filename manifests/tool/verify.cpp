#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/trust.hpp"
#include "manifests/trust_store.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {

Result<void> verify(const std::string& file, const std::vector<std::string>& public_keys) {
  TrustPolicy policy;
  for (const std::string& path : public_keys) {
    const auto key = load_public_key(path);
    if (!key) return key.error();
    policy.keys.push_back(*key);
  }
  const auto input = read_signed_file(file);
  if (!input) return input.error();
  const auto verified = VerifiedManifest::verify(*input, policy, KeepDigests::all);
  if (!verified) return with_context(file, verified.error());
  const Header& header = verified->header();
  std::printf("%s: good signature by %s: %s %s, sequence %llu, created %s, %u entries, content blake3:%s\n",
              escape(file).c_str(), to_string(verified->keys().front().id).c_str(), header.name.c_str(),
              header.release.c_str(), static_cast<unsigned long long>(header.sequence),
              format_utc(header.created).c_str(), verified->manifest().size(), to_hex(verified->content()).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
