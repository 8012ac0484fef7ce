#include "manifests/digest.hpp"

#include <cstdlib>

#include <openssl/evp.h>

namespace driftd::manifests {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

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

std::optional<Digest> parse_hex(std::string_view text) {
  if (text.size() != 2 * Digest::kSize) return std::nullopt;
  Digest digest;
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<unsigned char>(high * 16 + low);
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
