#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/escape.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::decode_utf8;
using driftd::manifests::escape;
using driftd::manifests::escape_json;
using driftd::manifests::is_deceptive;
using driftd::manifests::is_utf8;
using driftd::test::Random;

namespace {

constexpr char32_t kLast = 0x10ffff;

bool is_surrogate(char32_t value) { return value >= 0xd800 && value <= 0xdfff; }

/// UTF-8 as RFC 3629's table in section 3 draws it.
std::string encode(char32_t value) {
  const auto part = [&](unsigned shift, unsigned mask, unsigned mark) {
    return static_cast<char>(((value >> shift) & mask) | mark);
  };
  if (value < 0x80) return {part(0, 0x7f, 0)};
  if (value < 0x800) return {part(6, 0x1f, 0xc0), part(0, 0x3f, 0x80)};
  if (value < 0x10000) return {part(12, 0x0f, 0xe0), part(6, 0x3f, 0x80), part(0, 0x3f, 0x80)};
  return {part(18, 0x07, 0xf0), part(12, 0x3f, 0x80), part(6, 0x3f, 0x80), part(0, 0x3f, 0x80)};
}

/// Undoes escape(); a shape that it never writes comes out as nothing sensible and fails the comparison.
std::string unescape(const std::string& text) {
  std::string raw;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      raw += text[at];
      continue;
    }
    const char kind = text.at(++at);
    const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    const auto value = static_cast<char32_t>(std::strtoul(text.substr(at + 1, digits).c_str(), nullptr, 16));
    if (digits == 0) {
      raw += kind;
    } else if (kind == 'x') {
      raw += static_cast<char>(value);
    } else {
      raw += encode(value);
    }
    at += digits;
  }
  return raw;
}

/// Undoes escape_json() in a document that has no escapes of its own.
std::string unescape_json(const std::string& text) {
  std::string raw;
  char32_t high = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      raw += text[at];
      continue;
    }
    const auto unit = static_cast<char32_t>(std::strtoul(text.substr(at + 2, 4).c_str(), nullptr, 16));
    at += 5;
    if (unit >= 0xd800 && unit <= 0xdbff) {
      high = unit;
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
      raw += encode(0x10000 + ((high - 0xd800) << 10U) + (unit - 0xdc00));
    } else {
      raw += encode(unit);
    }
  }
  return raw;
}

std::size_t count_deceptive(std::string_view text, char32_t allowed) {
  std::size_t count = 0;
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    if (point && point->value != allowed && is_deceptive(point->value)) ++count;
    text.remove_prefix(point ? point->length : 1);
  }
  return count;
}

const std::vector<char32_t>& deceptive() {
  static const std::vector<char32_t> all = [] {
    std::vector<char32_t> found;
    for (char32_t value = 0; value <= kLast; ++value) {
      if (!is_surrogate(value) && is_deceptive(value)) found.push_back(value);
    }
    return found;
  }();
  return all;
}

/// Arbitrary bytes, but rich in what the escapes are about.
std::string hostile_text(Random& random) {
  std::string text;
  for (std::size_t parts = random.below(12); parts > 0; --parts) {
    switch (random.below(5)) {
      case 0: text += random.bytes(random.below(4)); break;
      case 1: text += encode(random.pick(deceptive())); break;
      case 2: text += random.from("\\xuU0189abf", random.below(9)); break;
      case 3: text += encode(static_cast<char32_t>(random.below(0xd800))); break;
      default: text += encode(static_cast<char32_t>(0x10000 + random.below(0x100000))); break;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("decode_utf8 takes every code point in its one form") {
  std::size_t wrong = 0;
  for (char32_t value = 0; value <= kLast; ++value) {
    if (is_surrogate(value)) continue;
    const std::string text = encode(value) + "x";
    const auto point = decode_utf8(text);
    if (!point || point->value != value || point->length != text.size() - 1) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("decode_utf8 takes nothing else") {
  // With every code point taken in its one form (above), as many taken sequences as there are code points leave no room
  // for others.
  std::array<std::size_t, 5> taken{};
  for (unsigned lead = 0; lead < 0xf0; ++lead) {
    for (unsigned second = 0; second < 0x100; ++second) {
      for (unsigned third = 0; third < 0x100; third += lead < 0xe0 ? 0x100 : 1) {
        const std::array<char, 3> text{static_cast<char>(lead), static_cast<char>(second), static_cast<char>(third)};
        const auto point = decode_utf8({text.data(), text.size()});
        if (point) ++taken[point->length];
      }
    }
  }
  CHECK(taken[1] == std::size_t{0x80} * 0x100);
  CHECK(taken[2] == 0x800 - 0x80);
  CHECK(taken[3] == 0x10000 - 0x800 - 0x800);
  CHECK(taken[4] == 0);

  struct Row {
    std::string name;
    std::string text;
  };
  const std::vector<Row> malformed = {
      {"nothing", ""},
      {"a lone continuation byte", "\x80"},
      {"overlong NUL", std::string("\xc0\x80", 2)},
      {"overlong of two", "\xc1\xbf"},
      {"overlong of three", "\xe0\x9f\xbf"},
      {"overlong of four", "\xf0\x8f\xbf\xbf"},
      {"a high surrogate", "\xed\xa0\x80"},
      {"a low surrogate", "\xed\xbf\xbf"},
      {"beyond U+10FFFF", "\xf4\x90\x80\x80"},
      {"a lead beyond F4", "\xf5\x80\x80\x80"},
      {"five bytes", "\xf8\x88\x80\x80\x80"},
      {"FE", "\xfe"},
      {"FF", "\xff"},
      {"two cut", "\xc3"},
      {"three cut", "\xe2\x82"},
      {"four cut", "\xf0\x9f\x98"},
      {"two broken", "\xc3("},
      {"three broken", "\xe2\x82("},
      {"four broken", "\xf0\x9f\x98("},
  };
  for (const Row& row : malformed) {
    CAPTURE(row.name);
    CHECK_FALSE(decode_utf8(row.text));
    CHECK(is_utf8(row.text) == row.text.empty());
    CHECK_FALSE(is_utf8("before " + row.text + (row.text.empty() ? "\xff" : "")));
  }
  CHECK(is_utf8("caf\u00e9 \U0001f600"));
}

TEST_CASE("what deceives is known") {
  const std::vector<std::pair<char32_t, char32_t>> ranges = {
      {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x180e, 0x180e}, {0x200b, 0x200f},  {0x2028, 0x202e},
      {0x2060, 0x2064}, {0x2066, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  for (const auto& [first, last] : ranges) {
    for (char32_t value = first; value <= last; ++value) {
      CAPTURE(static_cast<unsigned>(value));
      CHECK(is_deceptive(value));
    }
  }
  for (const char32_t plain : {U' ', U'~', U'\\', U'\u00a0', U'\u00e9', U'\u2010', U'\u2603', U'\u30a2', U'\ufffd',
                               U'\U0001f600', U'\U0010ffff'}) {
    CAPTURE(static_cast<unsigned>(plain));
    CHECK_FALSE(is_deceptive(plain));
  }
}

TEST_CASE("escape shows what is there") {
  struct Row {
    std::string raw;
    std::string shown;
  };
  const std::vector<Row> table = {
      {"", ""},
      {"plain name.txt", "plain name.txt"},
      {"caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"},
      {"a\\b", "a\\\\b"},
      {"\\x41", "\\\\x41"},
      {std::string("\0", 1), "\\x00"},
      {"two\nlines\r\t", "two\\x0alines\\x0d\\x09"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"\x7f", "\\x7f"},
      {"\u009b31m", "\\u009b31m"},
      {"\x9b"
       "31m",
       "\\x9b31m"},
      {"invoice\u202efdp.exe", "invoice\\u202efdp.exe"},
      {"zero\u200bwidth", "zero\\u200bwidth"},
      {"line\u2028end", "line\\u2028end"},
      {"\U000e0041tag", "\\U000e0041tag"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"cut\xe2\x82", "cut\\xe2\\x82"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
  };
  for (const Row& row : table) {
    CAPTURE(row.shown);
    CHECK(escape(row.raw) == row.shown);
  }
}

TEST_CASE("escape gives one safe line that names exactly one byte string") {
  Random random(1);
  for (int round = 0; round < 5000; ++round) {
    const std::string raw = hostile_text(random);
    const std::string shown = escape(raw);
    CAPTURE(shown);
    CHECK(is_utf8(shown));
    CHECK(count_deceptive(shown, kLast + 1) == 0);
    CHECK((unescape(shown) == raw));
  }
}

TEST_CASE("escape_json changes how a document is written, not what it says") {
  struct Row {
    std::string document;
    std::string safe;
  };
  const std::vector<Row> table = {
      {"{\n  \"a\": \"b\"\n}\n", "{\n  \"a\": \"b\"\n}\n"},
      {"\"\x7f\"", "\"\\u007f\""},
      {"\"\u0085\"", "\"\\u0085\""},
      {"\"\u202e\u200b\"", "\"\\u202e\\u200b\""},
      {"\"\U000e0041\"", "\"\\udb40\\udc41\""},
      {"\"caf\u00e9 \U0001f600 \\n \\\\\"", "\"caf\u00e9 \U0001f600 \\n \\\\\""},
  };
  for (const Row& row : table) {
    CAPTURE(row.safe);
    CHECK(escape_json(row.document) == row.safe);
  }

  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string document = hostile_text(random);
    std::replace(document.begin(), document.end(), '\\', '\n');
    const std::string safe = escape_json(document);
    CAPTURE(safe);
    CHECK(count_deceptive(safe, U'\n') == 0);
    CHECK((unescape_json(safe) == document));
  }
}
