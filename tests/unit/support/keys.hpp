#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "manifests/base64.hpp"
#include "manifests/minisign.hpp"
#include "tests/unit/support/must.hpp"

/// minisign's secret key files taken apart, to make what no honest tool writes.
namespace driftd::test {

inline constexpr std::string_view kSecretKeyComment = "untrusted comment: minisign encrypted secret key\n";

/// The bytes of a secret key file; where they lie is told by minisign's own documentation of its formats.
struct SecretKeyBytes {
  static constexpr std::size_t kKdf = 2;
  static constexpr std::size_t kChecksumAlgorithm = 4;
  static constexpr std::size_t kSalt = 6;
  static constexpr std::size_t kOpsLimit = 38;
  static constexpr std::size_t kMemLimit = 46;
  static constexpr std::size_t kKeyId = 54;
  static constexpr std::size_t kSeed = 62;
  static constexpr std::size_t kPublic = 94;
  static constexpr std::size_t kChecksum = 126;

  std::array<unsigned char, 158> bytes{};

  explicit SecretKeyBytes(std::string_view file) {
    const std::size_t line = file.find('\n') + 1;
    if (!manifests::parse_base64(file.substr(line, file.size() - line - 1), bytes, manifests::Base64::standard)) {
      throw std::runtime_error("not a secret key file");
    }
  }

  void put_number(std::size_t at, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) bytes[at + i] = static_cast<unsigned char>(value >> (8 * i));
  }

  [[nodiscard]] std::string file() const {
    return std::string(kSecretKeyComment) + manifests::to_base64(bytes, manifests::Base64::standard) + "\n";
  }
};

/// The same key pair under another key id, which anybody can make who has it.
inline manifests::minisign::SecretKey with_key_id(const manifests::minisign::SecretKey& key,
                                                  manifests::minisign::KeyId id) {
  SecretKeyBytes secret(must(key.write(std::nullopt)).view());
  secret.put_number(SecretKeyBytes::kKeyId, id.value);
  return must(manifests::minisign::SecretKey::parse(secret.file(), std::nullopt));
}

}  // namespace driftd::test
