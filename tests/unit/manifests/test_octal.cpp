#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/octal.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::append_octal;
using driftd::manifests::take_canonical_octal;
using driftd::manifests::unescape_octal;
using driftd::test::Random;

namespace {

std::string escaped(std::string_view raw) {
  std::string out;
  append_octal(out, raw);
  return out;
}

/// What mtree(5) and the manifest's own rules ask for.
std::string expected_escape(unsigned byte) {
  const auto c = static_cast<char>(byte);
  const bool plain = byte > 0x20 && byte < 0x7f && std::string_view("\\#*?[").find(c) == std::string_view::npos;
  if (plain) return {c};
  char text[8];
  std::snprintf(text, sizeof text, "\\%03o", byte);
  return text;
}

}  // namespace

TEST_CASE("every byte is escaped where it must be, and comes back") {
  for (unsigned byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string raw(1, static_cast<char>(byte));
    CHECK(escaped(raw) == expected_escape(byte));
    std::string back;
    REQUIRE(unescape_octal(escaped(raw), back));
    CHECK((back == raw));
  }
}

TEST_CASE("any bytes go both ways, and both functions append") {
  Random random(6);
  for (int round = 0; round < 2000; ++round) {
    const std::string raw =
        round % 2 == 0 ? random.bytes(random.below(40)) : random.from("\\0123478#* a", random.below(40));
    std::string text = "before\\";
    append_octal(text, raw);
    CAPTURE(text);
    REQUIRE(text.starts_with("before\\"));
    text.erase(0, 7);
    CHECK(text.find_first_of("#*?[ \n") == std::string::npos);
    std::string back = "before";
    REQUIRE(unescape_octal(text, back));
    CHECK((back == "before" + raw));
  }
}

TEST_CASE("unescape_octal reads any escape of three digits") {
  struct Row {
    std::string text;
    std::string raw;
  };
  const std::vector<Row> table = {
      {"", ""},
      {"plain", "plain"},
      {"\\141\\142c", "abc"},
      {"\\1011", "A1"},
      {"\\000", std::string(1, '\0')},
      {"\\377", "\xff"},
      {"\\134101", "\\101"},
      {"a b#*?[", "a b#*?["},
  };
  for (const Row& row : table) {
    CAPTURE(row.text);
    std::string back;
    REQUIRE(unescape_octal(row.text, back));
    CHECK((back == row.raw));
  }
}

TEST_CASE("unescape_octal refuses every other backslash") {
  for (const std::string_view text :
       {"\\", "a\\", "\\1", "\\12", "\\400", "\\777", "\\08", "\\018", "\\800", "\\ 12", "\\x41", "\\n", "\\\\",
        "\\-12", "\\+12", "\\141\\", "\\14\xb1", "\\\xb1\x34\x31", "\\12\\060"}) {
    CAPTURE(std::string(text));
    std::string back;
    CHECK_FALSE(unescape_octal(text, back));
  }
}

TEST_CASE("canonical text is taken up to what is never written") {
  for (const std::string_view raw :
       {std::string_view(), std::string_view("plain"), std::string_view("a b"), std::string_view("\0\xff *", 4),
        std::string_view("\\101"), std::string_view("#")}) {
    for (const std::string_view rest : {"", " ", " type=dir", "\n", "#", "*", "\x7f", "\xff"}) {
      std::string text;
      append_octal(text, raw);
      text += rest;
      CAPTURE(text);
      std::string_view left = text;
      std::string buffer;
      std::string_view taken;
      REQUIRE(take_canonical_octal(left, buffer, taken));
      CHECK((taken == raw));
      CHECK((left == rest));
    }
  }
  for (const std::string_view text :
       {"\\", "a\\04", "\\400", "a\\141", "\\057", "\\176", "\\040\\041", "\\ 40", "\\08"}) {
    CAPTURE(std::string(text));
    std::string_view left = text;
    std::string buffer;
    std::string_view taken;
    CHECK_FALSE(take_canonical_octal(left, buffer, taken));
  }
}
