#include "manifests/signed_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "manifests/escape.hpp"
#include "manifests/file_io.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests {
namespace {

constexpr std::string_view kSuffix = ".minisig";

bool is_signature_of(std::string_view name, std::string_view manifest) {
  if (!name.starts_with(manifest)) return false;
  name.remove_prefix(manifest.size());
  if (!name.starts_with(kSuffix)) return false;
  name.remove_prefix(kSuffix.size());
  return name.empty() || (name.front() == '.' && minisign::parse_key_id(name.substr(1)));
}

}  // namespace

bool belongs_to_manifest(std::string_view name, std::string_view manifest) {
  return name == manifest || is_signature_of(name, manifest);
}

Result<SignedBytes> read_signed_file(const std::string& path, std::size_t limit, const OnRead& on_read) {
  auto bytes = HashedBytes::read(path, limit, on_read);
  if (!bytes) return bytes.error();
  SignedBytes result{std::move(*bytes), {}};

  const std::filesystem::path file(path);
  const std::string name = file.filename();
  std::vector<std::string> found;
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  UniqueFd opened = open_to_read(AT_FDCWD, directory, O_DIRECTORY);
  if (!opened) return unreadable(directory, errno);
  const auto listed = for_each_name(std::move(opened), directory, [&](std::string_view one) {
    if (is_signature_of(one, name)) found.push_back(directory / one);
    if (on_read) on_read();
  });
  if (!listed) return listed.error();
  if (found.empty()) {
    return Error{ErrorCode::signature,
                 escape(path + std::string(kSuffix)) +
                     ": no signature; a manifest counts only together with it (driftd-manifest sign)"};
  }
  if (found.size() > kMaxSignatures) return Error{ErrorCode::size, escape(path) + ": more than 16 signatures"};
  std::sort(found.begin(), found.end());
  for (const std::string& signature : found) {
    auto text = read_file(signature, minisign::kMaxSignatureFile);
    if (!text) return text.error();
    if (on_read) on_read();
    result.signatures.push_back(std::move(*text));
  }
  return result;
}

}  // namespace driftd::manifests
