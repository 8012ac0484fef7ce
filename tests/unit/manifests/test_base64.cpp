#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/base64.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::Base64;
using driftd::manifests::parse_base64;
using driftd::manifests::to_base64;
using driftd::test::Random;

namespace {

std::string encode(const std::string& raw, Base64 variant) {
  return to_base64({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()}, variant);
}

bool decodes(std::string_view text, std::size_t size, Base64 variant) {
  std::vector<unsigned char> out(size);
  return parse_base64(text, out, variant);
}

std::string decode(std::string_view text, std::size_t size, Base64 variant) {
  std::vector<unsigned char> out(size);
  REQUIRE(parse_base64(text, out, variant));
  return {out.begin(), out.end()};
}

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

TEST_CASE("base64 agrees with RFC 4648") {
  struct Vector {
    std::string raw;
    std::string standard;
    std::string url;
  };
  // Section 10, and two more where the alphabets differ.
  const std::vector<Vector> vectors = {
      {"", "", ""},
      {"f", "Zg==", "Zg"},
      {"fo", "Zm8=", "Zm8"},
      {"foo", "Zm9v", "Zm9v"},
      {"foob", "Zm9vYg==", "Zm9vYg"},
      {"fooba", "Zm9vYmE=", "Zm9vYmE"},
      {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
      {"\xfb\xef\xbe", "++++", "----"},
      {"\xff\xff\xff", "////", "____"},
  };
  for (const Vector& row : vectors) {
    CAPTURE(row.standard);
    CHECK(encode(row.raw, Base64::standard) == row.standard);
    CHECK(encode(row.raw, Base64::url_without_padding) == row.url);
    CHECK(decode(row.standard, row.raw.size(), Base64::standard) == row.raw);
    CHECK(decode(row.url, row.raw.size(), Base64::url_without_padding) == row.raw);
  }
}

TEST_CASE("base64 goes both ways for any bytes") {
  Random random(5);
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string raw = random.bytes(size);
    for (const Base64 variant : {Base64::standard, Base64::url_without_padding}) {
      const std::string text = encode(raw, variant);
      CAPTURE(text);
      CHECK((decode(text, size, variant) == raw));
      CHECK_FALSE(decodes(text, size + 1, variant));
      if (size > 0) CHECK_FALSE(decodes(text, size - 1, variant));
    }
  }
}

TEST_CASE("parse_base64 takes one form only for every value") {
  // As many texts are taken as there are values, so none has two.
  std::size_t one_byte = 0;
  std::size_t two_bytes = 0;
  std::string text(4, '=');
  for (const char first : kAlphabet) {
    for (const char second : kAlphabet) {
      text.assign({first, second, '=', '='});
      if (decodes(text, 1, Base64::standard)) ++one_byte;
      for (const char third : kAlphabet) {
        text.assign({first, second, third, '='});
        if (decodes(text, 2, Base64::standard)) ++two_bytes;
      }
    }
  }
  CHECK(one_byte == 256);
  CHECK(two_bytes == 256 * 256);

  // Whatever stands at any place: what is taken is what would be written.
  const std::string good = encode("twelve bytes", Base64::standard);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string changed = good;
      changed[at] = static_cast<char>(byte);
      CAPTURE(byte);
      const bool is_digit = kAlphabet.find(changed[at]) != std::string_view::npos;
      CHECK(decodes(changed, 12, Base64::standard) == is_digit);
      if (is_digit) CHECK(encode(decode(changed, 12, Base64::standard), Base64::standard) == changed);
    }
  }
}

TEST_CASE("parse_base64 refuses everything malformed") {
  struct Row {
    std::string name;
    std::string text;
    std::size_t size;
    Base64 variant;
  };
  const std::vector<Row> table = {
      {"padding missing", "Zg", 1, Base64::standard},
      {"half the padding", "Zg=", 1, Base64::standard},
      {"too much padding", "Zm9v====", 3, Base64::standard},
      {"nothing but padding", "====", 1, Base64::standard},
      {"padding inside", "Z=g=", 1, Base64::standard},
      {"padding in the variant without", "Zg==", 1, Base64::url_without_padding},
      {"the other alphabet", "----", 3, Base64::standard},
      {"the other alphabet", "++++", 3, Base64::url_without_padding},
      {"a space inside", "Zm 9v", 3, Base64::standard},
      {"a space for a digit", "Zm9 ", 3, Base64::standard},
      {"a line end behind", "Zm9v\n", 3, Base64::standard},
      {"a line end for a digit", "Zm9\n", 3, Base64::standard},
      {"a NUL", std::string("Zm9\0", 4), 3, Base64::standard},
      {"a byte beyond ASCII", "Zm9\xe9", 3, Base64::standard},
      {"stray bits", "Zh==", 1, Base64::standard},
      {"stray bits", "Zm9=", 2, Base64::standard},
      {"stray bits", "Zh", 1, Base64::url_without_padding},
      {"a lone digit", "Z", 0, Base64::url_without_padding},
      {"another group", "Zm9vZm9v", 3, Base64::standard},
      {"something for nothing", "Zg==", 0, Base64::standard},
  };
  for (const Row& row : table) {
    CAPTURE(row.name);
    CAPTURE(row.text);
    CHECK_FALSE(decodes(row.text, row.size, row.variant));
  }
}
