#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/digest.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::Blake3;
using driftd::manifests::Digest;
using driftd::manifests::parse_hex;
using driftd::manifests::Sha256;
using driftd::manifests::to_hex;
using driftd::test::Random;

namespace {

template <class Hash>
Digest hash_of(std::string_view input) {
  Hash hash;
  hash.update(input.data(), input.size());
  return hash.finish();
}

/// The input of BLAKE3's official test vectors: 0, 1, ..., 250, 0, 1, ...
std::string counting(std::size_t size) {
  std::string input(size, '\0');
  for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<char>(i % 251);
  return input;
}

/// Feeds `input` in pieces, some of them empty.
template <class Hash>
void feed_in_pieces(Hash& hash, std::string_view input, Random& random) {
  while (!input.empty()) {
    const std::size_t most = random.one_in(2) ? 70 : 5000;
    const std::size_t size = std::min(input.size(), random.below(most));
    hash.update(input.data(), size);
    input.remove_prefix(size);
  }
}

template <class Hash>
void check_streaming() {
  Random random(3);
  Hash hash;
  for (int round = 0; round < 200; ++round) {
    const std::string input = random.bytes(random.below(40'000));
    CAPTURE(round);
    CAPTURE(input.size());
    hash.reset();
    feed_in_pieces(hash, input, random);
    CHECK(to_hex(hash.finish()) == to_hex(hash_of<Hash>(input)));
  }
  // What was fed before a reset leaves no trace, finished or not.
  hash.reset();
  hash.update("abc", 3);
  hash.reset();
  CHECK(hash.finish() == hash_of<Hash>(""));
}

}  // namespace

TEST_CASE("BLAKE3 agrees with its published vectors") {
  // test_vectors/test_vectors.json of BLAKE3, the first 32 bytes of "hash".
  struct Row {
    std::size_t size;
    const char* hex;
  };
  const std::vector<Row> vectors = {
      {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
      {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
      {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"},
      {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
      {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
      {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
      {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"},
      {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2"},
      {3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"},
      {4096, "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969"},
      {4097, "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995"},
      {5120, "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833"},
      {8192, "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63"},
      {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"},
      {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4"},
      {31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"},
      {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
  };
  for (const Row& row : vectors) {
    CAPTURE(row.size);
    CHECK(to_hex(hash_of<Blake3>(counting(row.size))) == row.hex);
  }
}

TEST_CASE("SHA-256 agrees with its published vectors") {
  // FIPS 180-2, appendix B; NIST's examples for 896 bits and for no bit at all.
  const std::vector<std::pair<std::string, const char*>> vectors = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrst"
       "u",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [input, hex] : vectors) {
    const std::size_t size = input.size();
    CAPTURE(size);
    CHECK(to_hex(hash_of<Sha256>(input)) == hex);
  }
}

TEST_CASE("streaming in any pieces equals one shot, and one object serves many inputs") {
  SUBCASE("BLAKE3") { check_streaming<Blake3>(); }
  SUBCASE("SHA-256") { check_streaming<Sha256>(); }
}

TEST_CASE("BLAKE3 may go on after finish()") {
  Blake3 hash;
  hash.update("ab");
  CHECK(hash.finish() == hash_of<Blake3>("ab"));
  hash.update("c");
  CHECK(hash.finish() == hash_of<Blake3>("abc"));
}

TEST_CASE("hexadecimal goes both ways") {
  Random random(4);
  for (int round = 0; round < 500; ++round) {
    Digest digest;
    for (unsigned char& byte : digest.bytes) byte = static_cast<unsigned char>(random.below(256));
    const std::string hex = to_hex(digest);
    CHECK(hex.size() == 64);
    CHECK(hex.find_first_not_of("0123456789abcdef") == std::string::npos);
    REQUIRE(parse_hex(hex));
    CHECK(*parse_hex(hex) == digest);
    std::string appended = "before ";
    append_hex(appended, digest);
    CHECK(appended == "before " + hex);
  }
}

TEST_CASE("parse_hex takes 64 lower-case digits and nothing else") {
  const std::string good = to_hex(hash_of<Blake3>("x"));
  struct Row {
    std::string name;
    std::string text;
  };
  const std::vector<Row> table = {
      {"empty", ""},
      {"one short", good.substr(1)},
      {"one long", good + "0"},
      {"0x in front", "0x" + good.substr(2)},
      {"a line end", good.substr(1) + "\n"},
  };
  for (const Row& row : table) {
    CAPTURE(row.name);
    CHECK_FALSE(parse_hex(row.text));
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      CAPTURE(at);
      CAPTURE(byte);
      const bool is_digit = kDigits.find(static_cast<char>(byte)) != std::string_view::npos;
      CHECK(parse_hex(text).has_value() == is_digit);
    }
  }
}
