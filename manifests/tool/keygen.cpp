#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/minisign.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/password.hpp"

namespace driftd::manifests::tool {

Result<void> keygen(const KeygenOptions& options) {
  std::optional<SecretText> password;
  if (!options.no_password) {
    auto asked = read_password(options.password_variable, Ask::twice);
    if (!asked) return with_context("no key was made (--no-password makes one without)", asked.error());
    password = std::move(*asked);
  }
  const auto key = minisign::SecretKey::generate();
  const auto text = key.write(password ? std::optional(password->view()) : std::nullopt);
  if (!text) return text.error();
  if (auto written = write_file(options.secret_key, text->view(), 0600, Existing::refuse); !written) return written;
  const auto public_key = key.public_key();
  if (auto written = write_file(options.public_key, minisign::write_public_key(public_key), 0644, Existing::refuse);
      !written) {
    return written;
  }
  std::fprintf(stderr, "key %s: secret in %s (keep it with CI), public in %s (install it on the hosts)\n",
               to_string(public_key.id).c_str(), escape(options.secret_key).c_str(),
               escape(options.public_key).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
