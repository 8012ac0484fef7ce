#include "manifests/tool/signing_key.hpp"

#include <algorithm>
#include <cstring>

#include "manifests/file_io.hpp"
#include "manifests/tool/password.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::string_view kKeyVariable = "--key-env";

/// The start of a secret key's base64, without and with a password: who puts the key itself where a file's name is
/// wanted is not to find it in a log.
bool holds_a_key(std::string_view typed) {
  return typed.find("RWQAAEIy") != std::string_view::npos || typed.find("RWRTY0Iy") != std::string_view::npos;
}

Result<SecretText> key_text(const SignOptions& options) {
  if (!options.key_variable.empty()) {
    const auto value = secret_from_environment(kKeyVariable, options.key_variable);
    if (!value) return value.error();
    return key_file_text(value->view());
  }
  if (options.secret_key.empty()) return Error{ErrorCode::usage, "the key is missing: give -s FILE or --key-env VAR"};
  if (holds_a_key(options.secret_key)) {
    return Error{ErrorCode::usage, "-s: a key's text and no file's name (--key-env takes a variable that holds it)"};
  }
  return read_secret_file(options.secret_key, minisign::kMaxKeyFile);
}

}  // namespace

SecretText key_file_text(std::string_view variable) {
  constexpr std::string_view kComment = "untrusted comment: \n";
  const std::size_t last = variable.find_last_not_of(" \t\r\n");
  variable = variable.substr(0, last == std::string_view::npos ? 0 : last + 1);
  const bool is_base64_alone = variable.find('\n') == std::string_view::npos;
  SecretText text(kComment.size() + variable.size() + 1);
  char* end = text.data();
  if (is_base64_alone) end = std::copy(kComment.begin(), kComment.end(), end);
  for (std::size_t i = 0; i < variable.size(); ++i) {
    const bool ends_line = variable[i] == '\r' && i + 1 < variable.size() && variable[i + 1] == '\n';
    if (!ends_line) *end++ = variable[i];
  }
  *end++ = '\n';
  text.truncate(static_cast<std::size_t>(end - text.data()));
  return text;
}

Result<minisign::SecretKey> load_signing_key(const SignOptions& options) {
  const auto text = key_text(options);
  if (!text) return text.error();
  const std::string_view where = options.key_variable.empty() ? std::string_view(options.secret_key) : kKeyVariable;
  const auto encrypted = minisign::SecretKey::is_encrypted(text->view());
  if (!encrypted) return with_context(where, encrypted.error());
  std::optional<SecretText> password;
  if (*encrypted) {
    auto read = read_password(options.password_variable, Ask::once);
    if (!read) return read.error();
    password = std::move(*read);
  }
  auto key = minisign::SecretKey::parse(text->view(), password ? std::optional(password->view()) : std::nullopt);
  if (!key) return with_context(where, key.error());
  return key;
}

}  // namespace driftd::manifests::tool
