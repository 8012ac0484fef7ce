#include "manifests/octal.hpp"

#include <array>

namespace driftd::manifests {
namespace {

constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned byte = 0x21; byte <= 0x7e; ++byte) plain[byte] = true;
  for (const char special : {'\\', '#', '*', '?', '['}) plain[static_cast<unsigned char>(special)] = false;
  return plain;
}();

bool is_octal(char digit) { return digit >= '0' && digit <= '7'; }

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
    if (escaped.size() < 3 || escaped[0] > '3' || !is_octal(escaped[0]) || !is_octal(escaped[1]) ||
        !is_octal(escaped[2])) {
      return false;
    }
    out += static_cast<char>((escaped[0] - '0') * 64 + (escaped[1] - '0') * 8 + (escaped[2] - '0'));
    escaped.remove_prefix(3);
  }
}

}  // namespace driftd::manifests
