#include "manifests/base64.hpp"

#include <cstring>

#include <sodium.h>

namespace driftd::manifests {
namespace {

int sodium_variant(Base64 variant) {
  return variant == Base64::standard ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

}  // namespace

std::string to_base64(std::span<const unsigned char> bytes, Base64 variant) {
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_variant(variant)), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), sodium_variant(variant));
  text.pop_back();  // the terminating NUL that libsodium counts
  return text;
}

// libsodium 1.0.18 takes some characters with the high bit set for others where char is signed, so writing the bytes
// again has the last word on what is canonical.
bool parse_base64(std::string_view text, std::span<unsigned char> out, Base64 variant) {
  if (text.size() + 1 != sodium_base64_encoded_len(out.size(), sodium_variant(variant))) return false;
  if (out.empty()) return true;  // libsodium wants a pointer even to nothing
  std::size_t length = 0;
  return sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, nullptr,
                           sodium_variant(variant)) == 0 &&
         length == out.size() && to_base64(out, variant) == text;
}

}  // namespace driftd::manifests
