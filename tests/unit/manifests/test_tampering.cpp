#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <sodium.h>

#include "manifests/base64.hpp"
#include "manifests/digest.hpp"
#include "manifests/minisign.hpp"
#include "manifests/mtree.hpp"
#include "manifests/trust.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/keys.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/manifest_text.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/mutations.hpp"

// Everything that one flipped bit or a cut can do to what a host reads, tried out, and what no honest tool makes.

using driftd::manifests::Base64;
using driftd::manifests::ErrorCode;
using driftd::manifests::parse_hex;
using driftd::manifests::read_manifest;
using driftd::manifests::to_base64;
using driftd::manifests::VerifiedManifest;
using driftd::manifests::minisign::KeyId;
using driftd::manifests::minisign::parse_public_key;
using driftd::manifests::minisign::parse_signature;
using driftd::manifests::minisign::prehash;
using driftd::manifests::minisign::PublicKey;
using driftd::manifests::minisign::SecretKey;
using driftd::manifests::minisign::Signature;
using driftd::manifests::minisign::verify;
using driftd::manifests::minisign::write_public_key;
using driftd::test::check_error;
using driftd::test::for_each_bit_flip;
using driftd::test::for_each_truncation;
using driftd::test::kGolden;
using driftd::test::must;
using driftd::test::SecretKeyBytes;

namespace {

constexpr std::string_view kUntrusted = "untrusted comment: ";

/// The three files, as a host has them.
struct Files {
  std::string manifest;
  std::string signature;
  std::string public_key;
};

const Files& good_files() {
  static const Files files = [] {
    const SecretKey key = SecretKey::generate();
    const std::string manifest(kGolden);
    return Files{manifest, key.sign(manifest, "a trusted comment"), write_public_key(key.public_key())};
  }();
  return files;
}

/// The whole road from the three files to a manifest that is believed.
bool believed(const std::string& manifest, const std::string& signature, const std::string& public_key) {
  const auto key = parse_public_key(public_key);
  return key && VerifiedManifest::verify({manifest, {signature}}, {{*key}, {}, 1});
}

struct Tally {
  std::size_t tried = 0;
  std::size_t refused = 0;

  void count(bool taken) {
    ++tried;
    refused += taken ? 0 : 1;
  }
};

template <class Believed>
Tally all_flips(const std::string& text, Believed is_believed) {
  Tally tally;
  for_each_bit_flip(text, [&](const std::string& changed, std::size_t) { tally.count(is_believed(changed)); });
  return tally;
}

template <class Believed>
Tally all_cuts(const std::string& text, Believed is_believed) {
  Tally tally;
  for_each_truncation(text, [&](std::string_view start) { tally.count(is_believed(std::string(start))); });
  return tally;
}

std::array<unsigned char, 32> bytes_of(const std::string& hex) { return parse_hex(hex)->bytes; }

/// The secret scalar of a key pair, as RFC 8032 5.1.5 derives it.
std::array<unsigned char, 32> secret_scalar(const SecretKeyBytes& secret) {
  std::array<unsigned char, 64> hash{};
  crypto_hash_sha512(hash.data(), secret.bytes.data() + SecretKeyBytes::kSeed, 32);
  std::array<unsigned char, 32> scalar{};
  std::copy_n(hash.begin(), scalar.size(), scalar.begin());
  scalar[0] &= 248U;
  scalar[31] = static_cast<unsigned char>((scalar[31] & 127U) | 64U);
  return scalar;
}

/// S += L, the order of the group: the same number to the equation, other bytes.
void add_order(std::array<unsigned char, 64>& signature) {
  const auto order = bytes_of("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    carry += static_cast<unsigned>(signature[32 + i]) + order[i];
    signature[32 + i] = static_cast<unsigned char>(carry);
    carry >>= 8U;
  }
  REQUIRE(carry == 0);
}

}  // namespace

TEST_CASE("the files as they are are believed") {
  const Files& good = good_files();
  CHECK(believed(good.manifest, good.signature, good.public_key));
}

TEST_CASE("every flipped bit and every cut of a manifest is refused") {
  const Files& good = good_files();
  const auto is_believed = [&](const std::string& changed) {
    return believed(changed, good.signature, good.public_key);
  };
  const Tally flips = all_flips(good.manifest, is_believed);
  CHECK(flips.tried == 8 * good.manifest.size());
  CHECK(flips.refused == flips.tried);
  const Tally cuts = all_cuts(good.manifest, is_believed);
  CHECK(cuts.tried == good.manifest.size());
  CHECK(cuts.refused == cuts.tried);
}

TEST_CASE("every flipped bit and every cut of a signature is refused, but for the text of the untrusted comment") {
  const Files& good = good_files();
  const auto is_believed = [&](const std::string& changed) {
    return believed(good.manifest, changed, good.public_key);
  };
  // Stock tools write what they like there. A flip that makes a line end of a character ends the comment early.
  const std::string_view text =
      std::string_view(good.signature).substr(kUntrusted.size(), good.signature.find('\n') - kUntrusted.size());
  std::size_t free = 0;
  for_each_bit_flip(text, [&](const std::string& changed, std::size_t at) {
    if (changed[at] != '\n') ++free;
  });

  const Tally flips = all_flips(good.signature, is_believed);
  CHECK(flips.tried == 8 * good.signature.size());
  CHECK(flips.refused == flips.tried - free);
  const Tally cuts = all_cuts(good.signature, is_believed);
  CHECK(cuts.tried == good.signature.size());
  CHECK(cuts.refused == cuts.tried);
}

TEST_CASE("every flipped bit and every cut of a public key is refused, its comment included") {
  // The comment is the key's own id in one form, so nothing in the file is free. A flip in the key's 32 bytes gives
  // another key about one time in sixteen: that signed nothing here.
  const Files& good = good_files();
  const auto is_believed = [&](const std::string& changed) { return believed(good.manifest, good.signature, changed); };
  const Tally flips = all_flips(good.public_key, is_believed);
  CHECK(flips.tried == 8 * good.public_key.size());
  CHECK(flips.refused == flips.tried);
  const Tally cuts = all_cuts(good.public_key, is_believed);
  CHECK(cuts.tried == good.public_key.size());
  CHECK(cuts.refused == cuts.tried);

  const std::size_t first_line = good.public_key.find('\n') + 1;
  const auto is_key = [](const std::string& changed) { return parse_public_key(changed).has_value(); };
  const Tally comment = all_flips(good.public_key.substr(0, first_line), [&](const std::string& changed) {
    return is_key(changed + good.public_key.substr(first_line));
  });
  CHECK(comment.refused == 8 * first_line);
  CHECK(all_cuts(good.public_key, is_key).refused == good.public_key.size());
}

TEST_CASE("what the reader refuses without any signature") {
  // All cuts, and all flips but those that make another legal value of a header that the content id does not cover.
  const std::string text(kGolden);
  const auto reads = [](const std::string& changed) { return read_manifest(changed).has_value(); };
  CHECK(all_cuts(text, reads).refused == text.size());
  const std::size_t covered = text.find("#mutable: ");
  const Tally head = all_flips(text.substr(0, covered),
                               [&](const std::string& changed) { return reads(changed + text.substr(covered)); });
  const Tally rest = all_flips(text.substr(covered),
                               [&](const std::string& changed) { return reads(text.substr(0, covered) + changed); });
  CHECK(head.tried + rest.tried == 8 * text.size());
  CHECK(rest.refused == rest.tried);
  CHECK(head.refused < head.tried);
}

TEST_CASE("a signature has one form: a number beyond the group's order is refused") {
  const SecretKey key = SecretKey::generate();
  const Signature good = must(parse_signature(key.sign("message", "comment")));
  const PublicKey trusted = key.public_key();
  REQUIRE(verify(good, trusted, prehash("message")));
  Signature changed = good;
  Signature changed_global = good;
  for (int multiple = 1; multiple < 15; ++multiple) {
    CAPTURE(multiple);
    add_order(changed.bytes);
    CHECK_FALSE(verify(changed, trusted, prehash("message")));
    add_order(changed_global.global);
    CHECK_FALSE(verify(changed_global, trusted, prehash("message")));
  }
}

TEST_CASE("a signature whose point is of small order is refused") {
  // Only who has the secret key can make these. Some verifiers take them, and a signature should have one form.
  const SecretKey key = SecretKey::generate();
  const SecretKeyBytes secret(must(key.write(std::nullopt)).view());
  const PublicKey trusted = key.public_key();
  const auto message = prehash("message");
  for (const std::string point : {"0100000000000000000000000000000000000000000000000000000000000000",
                                  "0100000000000000000000000000000000000000000000000000000000000080",
                                  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                  "0000000000000000000000000000000000000000000000000000000000000000",
                                  "0000000000000000000000000000000000000000000000000000000000000080",
                                  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"}) {
    CAPTURE(point);
    // S = H(R, A, M) a: what makes the equation hold for a point that is nothing.
    Signature forged = must(parse_signature(key.sign("message", "comment")));
    std::string covered;
    const auto r = bytes_of(point);
    covered.append(r.begin(), r.end());
    covered.append(trusted.bytes.begin(), trusted.bytes.end());
    covered.append(message.begin(), message.end());
    std::array<unsigned char, 64> hash{};
    crypto_hash_sha512(hash.data(), reinterpret_cast<const unsigned char*>(covered.data()), covered.size());
    std::array<unsigned char, 32> reduced{};
    crypto_core_ed25519_scalar_reduce(reduced.data(), hash.data());
    std::copy(r.begin(), r.end(), forged.bytes.begin());
    crypto_core_ed25519_scalar_mul(forged.bytes.data() + 32, reduced.data(), secret_scalar(secret).data());
    CHECK_FALSE(verify(forged, trusted, message));
  }
}

TEST_CASE("a public key whose point has a second form is refused in it") {
  // All encodings of a coordinate from the field's prime on, which stand for 0 to 18, with either sign.
  auto bytes = bytes_of("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
  for (int above = 0; above < 19; ++above, ++bytes[0]) {
    for (const unsigned sign : {0x00U, 0x80U}) {
      CAPTURE(above);
      PublicKey key{KeyId{1}, bytes};
      key.bytes[31] = static_cast<unsigned char>(key.bytes[31] ^ sign);
      check_error(parse_public_key(write_public_key(key)), ErrorCode::trust, "not a point of the curve");
    }
  }
}

TEST_CASE("a public key of zeros with a signature of zeros makes nothing believed") {
  const std::string zeros =
      "untrusted comment: x\n" + to_base64(std::array<unsigned char, 74>{'E', 'D'}, Base64::standard) +
      "\ntrusted comment: \n" + to_base64(std::array<unsigned char, 64>{}, Base64::standard) + "\n";
  REQUIRE(parse_signature(zeros));
  const PublicKey key{};
  CHECK_FALSE(parse_public_key(write_public_key(key)));
  // Even where one got in by another way.
  CHECK_FALSE(verify(must(parse_signature(zeros)), key, prehash("")));
  check_error(VerifiedManifest::verify({std::string(kGolden), {zeros}}, {{key}, {}, 1}), ErrorCode::signature, "");
}
