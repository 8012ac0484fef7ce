#include <cstdio>
#include <ctime>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/trust.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {

Result<void> verify(const VerifyOptions& options) {
  const auto verified = load_verified(options.file, options.trust);
  if (!verified) return verified.error();
  const Header& header = verified->header();
  const std::int64_t now = std::time(nullptr);
  // As a host that sees it for the first time.
  if (auto refused = check_creation(header, now); !refused) return with_context(options.file, refused.error());
  if (is_expired(header, now)) {
    return Error{ErrorCode::expired, escape(options.file) + ": expired at " + format_utc(*header.expires) +
                                         ": well signed, but a host that has not accepted it yet never will"};
  }
  std::string signers;
  for (const auto& key : verified->keys()) signers += (signers.empty() ? "" : ", ") + to_string(key.id);
  const std::string expires = header.expires ? ", expires " + format_utc(*header.expires) : "";
  std::printf("%s: good signature%s by %s: %s %s, sequence %llu, created %s%s, %u entries, content blake3:%s\n",
              escape(options.file).c_str(), verified->keys().size() == 1 ? "" : "s", signers.c_str(),
              header.name.c_str(), header.release.c_str(), static_cast<unsigned long long>(header.sequence),
              format_utc(header.created).c_str(), expires.c_str(), verified->manifest().size(),
              to_hex(verified->content()).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
