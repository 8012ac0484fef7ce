#include "manifests/escape.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace driftd::manifests {
namespace {

void append_unit(std::string& out, const char* format, unsigned value) {
  std::array<char, 16> text{};
  // The format is one of the literals below; the widest is \U with eight digits.
  const int length = std::snprintf(text.data(), text.size(), format, value);  // NOLINT
  out.append(text.data(), static_cast<std::size_t>(length));
}

bool in(char32_t value, char32_t first, char32_t last) { return value >= first && value <= last; }

}  // namespace

std::optional<CodePoint> decode_utf8(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return CodePoint{lead, 1};

  std::size_t length = 0;
  char32_t value = 0;
  char32_t smallest = 0;
  if (in(lead, 0xc2, 0xdf)) {
    length = 2, value = lead & 0x1fU, smallest = 0x80;
  } else if (in(lead, 0xe0, 0xef)) {
    length = 3, value = lead & 0x0fU, smallest = 0x800;
  } else if (in(lead, 0xf0, 0xf4)) {
    length = 4, value = lead & 0x07U, smallest = 0x10000;
  } else {
    return std::nullopt;
  }
  if (text.size() < length) return std::nullopt;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0U) != 0x80U) return std::nullopt;
    value = (value << 6U) | (byte(at) & 0x3fU);
  }
  if (value < smallest || value > 0x10ffff || in(value, 0xd800, 0xdfff)) return std::nullopt;
  return CodePoint{value, length};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    if (!point) return false;
    text.remove_prefix(point->length);
  }
  return true;
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool is_deceptive(char32_t code_point) {
  return code_point < 0x20 || in(code_point, 0x7f, 0x9f) || code_point == 0xad || code_point == 0x61c ||
         code_point == 0x180e || in(code_point, 0x200b, 0x200f) || in(code_point, 0x2028, 0x202e) ||
         in(code_point, 0x2060, 0x206f) || code_point == 0xfeff || in(code_point, 0xfff9, 0xfffb) ||
         in(code_point, 0xe0000, 0xe007f);
}

std::string escape(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const auto point = decode_utf8(bytes);
    const std::size_t length = point ? point->length : 1;
    if (!point) {
      append_unit(out, "\\x%02x", static_cast<unsigned char>(bytes.front()));
    } else if (point->value == U'\\') {
      out += "\\\\";
    } else if (!is_deceptive(point->value)) {
      out += bytes.substr(0, length);
    } else if (point->value < 0x80) {
      append_unit(out, "\\x%02x", point->value);
    } else {
      append_unit(out, point->value < 0x10000 ? "\\u%04x" : "\\U%08x", point->value);
    }
    bytes.remove_prefix(length);
  }
  return out;
}

std::string escape_json(std::string_view document) {
  std::string out;
  out.reserve(document.size());
  while (!document.empty()) {
    const auto point = decode_utf8(document);
    const std::size_t length = point ? point->length : 1;
    if (!point || !is_deceptive(point->value) || document.front() == '\n') {
      out += document.substr(0, length);
    } else if (point->value < 0x10000) {
      append_unit(out, "\\u%04x", point->value);
    } else {
      append_unit(out, "\\u%04x", 0xd800U + ((point->value - 0x10000U) >> 10U));
      append_unit(out, "\\u%04x", 0xdc00U + ((point->value - 0x10000U) & 0x3ffU));
    }
    document.remove_prefix(length);
  }
  return out;
}

}  // namespace driftd::manifests
