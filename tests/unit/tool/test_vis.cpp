#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/octal.hpp"
#include "manifests/tool/vis.hpp"

using driftd::manifests::append_octal;
using driftd::manifests::tool::decode_vis;
using driftd::manifests::tool::find_unescaped;

TEST_CASE("escapes as NetBSD's and FreeBSD's mtree and libarchive write them") {
  struct Row {
    std::string written;
    std::string raw;
  };
  const std::vector<Row> rows = {
      {"", ""},
      {"plain", "plain"},
      {"sub\\sdir", "sub dir"},
      {"sub\\040dir", "sub dir"},
      {"a\\n\\t\\r\\b\\a\\v\\f\\E", "a\n\t\r\b\a\v\f\x1b"},
      {"\\\\back", "\\back"},
      {"\\134back", "\\back"},
      {"with\\#hash", "with#hash"},
      {"\\*\\?\\[", "*?["},
      {"u\\M-C\\M-)\\M^?", "u\xc3\xa9\xff"},
      {"\\M^A", "\x81"},
      {"\\^A\\^?", "\x01\x7f"},
      {"\\0", std::string(1, '\0')},
      {"\\7x\\12", "\x07x\n"},
      {"\\377\\0018",
       "\xff\x01"
       "8"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.written);
    const auto raw = decode_vis(row.written);
    REQUIRE(raw.has_value());
    CHECK((*raw == row.raw));
  }
}

TEST_CASE("a backslash that starts no escape is refused") {
  for (const char* written : {"\\", "a\\", "\\q", "\\400", "\\M", "\\M-", "\\M^", "\\Mx", "\\^", "\\8", "\\x41"}) {
    CAPTURE(written);
    CHECK_FALSE(decode_vis(written).has_value());
  }
}

TEST_CASE("what our own writer escapes comes back") {
  std::string all;
  for (unsigned byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::string written;
  append_octal(written, all);
  CHECK((decode_vis(written) == all));
}

TEST_CASE("a character that is part of an escape does not count") {
  CHECK(find_unescaped("a/b", '/') == 1);
  CHECK(find_unescaped("\\M-//", '/') == 4);
  CHECK(find_unescaped("\\M^/\\^//", '/') == 7);
  CHECK(find_unescaped("\\#\\\\#", '#') == 4);
  for (const char* word : {"", "a", "\\#", "\\M-#", "\\M", "\\M-", "\\^", "\\"}) {
    CAPTURE(word);
    CHECK(find_unescaped(word, '#') == std::string_view::npos);
  }
}
