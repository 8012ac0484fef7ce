#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/minisign.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/password.hpp"

namespace driftd::manifests::tool {

namespace {

/// Before a password is asked for. Whoever comes between this and the writing finds that write_file() refuses too.
Result<void> require_new_files(const KeygenOptions& options) {
  std::error_code error;
  for (const std::string& path : {options.secret_key, options.public_key}) {
    if (std::filesystem::exists(std::filesystem::symlink_status(path, error))) {
      return Error{ErrorCode::io, escape(path) + ": exists already and is not overwritten"};
    }
  }
  // Absolute first: a relative name that does not exist is not resolved at all.
  const auto resolved = [&error](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  };
  if (resolved(options.secret_key) == resolved(options.public_key) && !error) {
    return Error{ErrorCode::usage, "-s and -p name the same file"};
  }
  return {};
}

/// Both or none. The public key goes first: what a crash leaves behind then is no secret that nobody keeps.
Result<void> write_pair(const KeygenOptions& options, const SecretText& secret, const minisign::PublicKey& key) {
  const std::string text = minisign::write_public_key(key);
  if (auto written = write_file(options.public_key, text, 0644, Existing::refuse); !written) return written;
  auto written = write_file(options.secret_key, secret.view(), 0600, Existing::refuse);
  if (!written) ::unlink(options.public_key.c_str());
  return written;
}

}  // namespace

Result<void> keygen(const KeygenOptions& options) {
  if (auto fresh = require_new_files(options); !fresh) return fresh;
  std::optional<SecretText> password;
  if (!options.no_password) {
    auto asked = read_password(options.password_variable, Ask::twice);
    if (!asked) return with_context("no key was made (--no-password makes one without)", asked.error());
    password = std::move(*asked);
  }
  const auto key = minisign::SecretKey::generate();
  const auto text = key.write(password ? std::optional(password->view()) : std::nullopt);
  if (!text) return text.error();
  const auto public_key = key.public_key();
  if (auto written = write_pair(options, *text, public_key); !written) return written;
  std::fprintf(stderr, "key %s: secret in %s (keep it with CI), public in %s (install it on the hosts)\n",
               to_string(public_key.id).c_str(), escape(options.secret_key).c_str(),
               escape(options.public_key).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
