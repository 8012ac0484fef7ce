#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Base64 by libsodium, which has no table look-ups that depend on secrets.
namespace driftd::manifests {

enum class Base64 {
  standard,             ///< padded, as in minisign's files
  url_without_padding,  ///< as in a manifest's `cap:` tag
};

std::string to_base64(std::span<const unsigned char> bytes, Base64 variant);

/// Exactly `size` bytes in canonical form (no white space, no stray bits) into `out`; false for anything else.
bool parse_base64(std::string_view text, std::span<unsigned char> out, Base64 variant);

}  // namespace driftd::manifests
