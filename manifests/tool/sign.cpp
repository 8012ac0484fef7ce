#include <sys/stat.h>

#include <cstdio>
#include <tuple>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/signing_key.hpp"

namespace driftd::manifests::tool {
namespace {

bool is_older(const std::string& path, const std::string& than) {
  struct stat one {};
  struct stat other {};
  if (::stat(path.c_str(), &one) != 0 || ::stat(than.c_str(), &other) != 0) return false;
  return std::tie(one.st_mtim.tv_sec, one.st_mtim.tv_nsec) < std::tie(other.st_mtim.tv_sec, other.st_mtim.tv_nsec);
}

/// FILE.minisig; a further signer's goes beside it under its key id. Refused: another key's signature that is older
/// than the manifest, since it can only be one of what stood there before, and would be published with it.
Result<std::string> signature_path(const std::string& file, const minisign::PublicKey& key) {
  std::string path = file + ".minisig";
  const auto existing = read_file(path, minisign::kMaxSignatureFile);
  if (!existing) return path;
  const auto signature = minisign::parse_signature(*existing);
  if (!signature || signature->key == key.id) return path;
  if (is_older(path, file)) {
    return Error{ErrorCode::signature, escape(path) + " by key " + to_string(signature->key) + " is older than " +
                                           escape(file) + ": remove it, or sign again with that key"};
  }
  return path + "." + to_string(key.id);
}

}  // namespace

Result<void> sign(const SignOptions& options) {
  const auto bytes = read_file(options.file, kDefaultManifestLimit);
  if (!bytes) return bytes.error();
  const auto read = read_manifest(*bytes);
  if (!read) return with_context(options.file, read.error());
  const auto key = load_signing_key(options);
  if (!key) return key.error();
  const auto public_key = key->public_key();
  const auto path = signature_path(options.file, public_key);
  if (!path) return path.error();

  const Header& header = read->manifest.header();
  const std::string comment =
      "driftd " + header.name + " " + header.release + " sequence " + std::to_string(header.sequence);
  const std::string signature = key->sign(*bytes, comment);
  // A signature that does not verify must not leave this machine.
  const auto parsed = minisign::parse_signature(signature);
  if (!parsed || !minisign::verify(*parsed, public_key, minisign::prehash(*bytes))) {
    return Error{ErrorCode::signature, "the new signature does not verify; nothing was written"};
  }
  if (auto written = write_file(*path, signature, 0644, Existing::replace); !written) return written;
  std::fprintf(stderr, "signed %s by key %s: %s\n", escape(options.file).c_str(), to_string(public_key.id).c_str(),
               escape(*path).c_str());
  return {};
}

}  // namespace driftd::manifests::tool
