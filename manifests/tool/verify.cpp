#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {

Result<void> verify(const VerifyOptions& options) {
  const auto verified = load_verified(options.file, options.trust);
  if (!verified) return verified.error();
  std::string signers;
  for (const auto& key : verified->keys()) signers += (signers.empty() ? "" : ", ") + to_string(key.id);
  const Header& header = verified->header();
  std::printf("%s: good signature%s by %s: %s %s, sequence %llu, created %s, %u entries, content blake3:%s\n",
              escape(options.file).c_str(), verified->keys().size() == 1 ? "" : "s", signers.c_str(),
              header.name.c_str(), header.release.c_str(), static_cast<unsigned long long>(header.sequence),
              format_utc(header.created).c_str(), verified->manifest().size(), to_hex(verified->content()).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
