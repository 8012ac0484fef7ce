#include <cstdio>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/password.hpp"

namespace driftd::manifests::tool {
namespace {

Result<SecretText> key_text(const SignOptions& options) {
  if (options.key_variable.empty()) return read_secret_file(options.secret_key, minisign::kMaxKeyFile);
  auto text = secret_from_environment(options.key_variable);
  // CI systems like to strip the last line end of a secret.
  if (text && !text->view().ends_with('\n')) {
    SecretText ended(text->size() + 1);
    std::copy(text->view().begin(), text->view().end(), ended.data());
    ended.data()[text->size()] = '\n';
    return ended;
  }
  return text;
}

Result<minisign::SecretKey> load_key(const SignOptions& options) {
  const auto text = key_text(options);
  if (!text) return text.error();
  const auto encrypted = minisign::SecretKey::is_encrypted(text->view());
  if (!encrypted) return encrypted.error();
  if (!*encrypted) return minisign::SecretKey::parse(text->view(), std::nullopt);
  const auto password = read_password(options.password_variable, Ask::once);
  if (!password) return password.error();
  return minisign::SecretKey::parse(text->view(), password->view());
}

/// FILE.minisig; a further signer's goes beside it under its key id.
std::string signature_path(const std::string& file, const minisign::PublicKey& key) {
  std::string path = file + ".minisig";
  const auto existing = read_file(path, minisign::kMaxSignatureFile);
  if (existing) {
    const auto signature = minisign::parse_signature(*existing);
    if (signature && signature->key != key.id) path += "." + to_string(key.id);
  }
  return path;
}

}  // namespace

Result<void> sign(const SignOptions& options) {
  const auto bytes = read_file(options.file, kDefaultManifestLimit);
  if (!bytes) return bytes.error();
  const auto read = read_manifest(*bytes);
  if (!read) return with_context(options.file, read.error());
  const auto key = load_key(options);
  if (!key) return with_context(options.key_variable.empty() ? options.secret_key : options.key_variable, key.error());

  const Header& header = read->manifest.header();
  const std::string comment =
      "driftd " + header.name + " " + header.release + " sequence " + std::to_string(header.sequence);
  const std::string signature = key->sign(*bytes, comment);
  const auto public_key = key->public_key();
  // A signature that does not verify must not leave this machine.
  const auto parsed = minisign::parse_signature(signature);
  if (!parsed || !minisign::verify(*parsed, public_key, minisign::prehash(*bytes))) {
    return Error{ErrorCode::signature, "the new signature does not verify; nothing was written"};
  }
  const std::string path = signature_path(options.file, public_key);
  if (auto written = write_file(path, signature, 0644, Existing::replace); !written) return written;
  std::fprintf(stderr, "signed %s by key %s: %s\n", escape(options.file).c_str(), to_string(public_key.id).c_str(),
               escape(path).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
