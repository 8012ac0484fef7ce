#include "manifests/digest.hpp"

#include <cstdlib>

#include <openssl/evp.h>

namespace driftd::manifests {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// OpenSSL's digests fail for want of memory or a broken installation only; going on would mean a wrong digest.
void require(int openssl_status) {
  if (openssl_status != 1) std::abort();
}

}  // namespace

void append_hex(std::string& out, const Digest& digest) {
  std::array<char, 2 * Digest::kSize> text{};
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    text[2 * i] = kHexDigits[digest.bytes[i] >> 4U];
    text[2 * i + 1] = kHexDigits[digest.bytes[i] & 0x0fU];
  }
  out.append(text.data(), text.size());
}

std::string to_hex(const Digest& digest) {
  std::string out;
  append_hex(out, digest);
  return out;
}

// Without a branch or a table, so that the compiler makes vector instructions of it: a manifest has two million
// digests.
std::optional<Digest> parse_hex(std::string_view text) {
  constexpr std::size_t kDigits = 2 * Digest::kSize;
  if (text.size() != kDigits) return std::nullopt;
  std::array<unsigned char, kDigits> values{};
  unsigned char wrong = 0;
  for (std::size_t i = 0; i < kDigits; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto digit = static_cast<unsigned char>(byte - '0');
    const auto letter = static_cast<unsigned char>(byte - 'a');
    const bool is_digit = digit < 10;
    const bool is_letter = letter < 6;
    values[i] = static_cast<unsigned char>(is_digit ? digit : letter + 10);
    wrong = static_cast<unsigned char>(wrong | (is_digit || is_letter ? 0 : 1));
  }
  if (wrong != 0) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    digest.bytes[i] = static_cast<unsigned char>(values[2 * i] << 4U | values[2 * i + 1]);
  }
  return digest;
}

Digest Blake3::finish() const {
  Digest digest;
  blake3_hasher_finalize(&state_, digest.bytes.data(), digest.bytes.size());
  return digest;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  if (!context_) std::abort();
  require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::reset() { require(EVP_DigestInit_ex(context_.get(), nullptr, nullptr)); }

void Sha256::update(const void* data, std::size_t size) { require(EVP_DigestUpdate(context_.get(), data, size)); }

Digest Sha256::finish() {
  Digest digest;
  require(EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr));
  return digest;
}

}  // namespace driftd::manifests
