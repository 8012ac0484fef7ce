#include "manifests/octal.hpp"

#include <array>
#include <optional>

namespace driftd::manifests {
namespace {

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x21; byte <= 0x7e; ++byte) plain[byte] = true;
  for (const char special : {'\\', '#', '*', '?', '['}) plain[static_cast<unsigned char>(special)] = false;
  return plain;
}();

bool is_octal(char digit) { return digit >= '0' && digit <= '7'; }

std::size_t plain_length(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && kPlain[static_cast<unsigned char>(text[length])]) ++length;
  return length;
}

/// The byte for three octal digits up to 377 at the front of `text`, or nothing.
std::optional<unsigned char> octal_byte(std::string_view text) {
  if (text.size() < 3 || text[0] > '3' || !is_octal(text[0]) || !is_octal(text[1]) || !is_octal(text[2])) return {};
  return static_cast<unsigned char>((text[0] - '0') * 64 + (text[1] - '0') * 8 + (text[2] - '0'));
}

}  // namespace

void append_octal(std::string& out, std::string_view raw) {
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain[byte]) {
      out += c;
    } else {
      out += '\\';
      out += static_cast<char>('0' + (byte >> 6U));
      out += static_cast<char>('0' + ((byte >> 3U) & 7U));
      out += static_cast<char>('0' + (byte & 7U));
    }
  }
}

bool unescape_octal(std::string_view escaped, std::string& out) {
  for (;;) {
    const std::size_t backslash = escaped.find('\\');
    out += escaped.substr(0, backslash);
    if (backslash == std::string_view::npos) return true;
    escaped.remove_prefix(backslash + 1);
    const auto byte = octal_byte(escaped);
    if (!byte) return false;
    out += static_cast<char>(*byte);
    escaped.remove_prefix(3);
  }
}

bool take_canonical_octal(std::string_view& text, std::string& buffer, std::string_view& raw) {
  std::size_t plain = plain_length(text);
  raw = text.substr(0, plain);
  text.remove_prefix(plain);
  if (!text.starts_with('\\')) return true;
  buffer = raw;
  while (text.starts_with('\\')) {
    const auto byte = octal_byte(text.substr(1));
    if (!byte || kPlain[*byte]) return false;
    buffer += static_cast<char>(*byte);
    text.remove_prefix(4);
    plain = plain_length(text);
    buffer += text.substr(0, plain);
    text.remove_prefix(plain);
  }
  raw = buffer;
  return true;
}

}  // namespace driftd::manifests
