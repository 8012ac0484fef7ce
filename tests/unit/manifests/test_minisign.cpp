#include <array>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <sodium.h>

#include "manifests/base64.hpp"
#include "manifests/digest.hpp"
#include "manifests/minisign.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/keys.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/mutations.hpp"

using driftd::manifests::Base64;
using driftd::manifests::ErrorCode;
using driftd::manifests::parse_base64;
using driftd::manifests::parse_hex;
using driftd::manifests::to_base64;
using driftd::manifests::minisign::KeyId;
using driftd::manifests::minisign::kMaxSignatureFile;
using driftd::manifests::minisign::parse_key_id;
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
using driftd::test::must;
using driftd::test::SecretKeyBytes;

namespace {

/// Files made by stock minisign; see the README beside them.
std::string vector_file(const std::string& name) {
  const char* directory = std::getenv("DRIFTD_VECTORS");
  REQUIRE_MESSAGE(directory != nullptr, "DRIFTD_VECTORS must name the directory of test vectors");
  return driftd::test::read_whole(std::string(directory) + "/minisign/" + name);
}

PublicKey public_key(const std::string& name) { return must(parse_public_key(vector_file(name))); }

SecretKey secret_key(const std::string& name) { return must(SecretKey::parse(vector_file(name), std::nullopt)); }

bool verifies(std::string_view signature, const PublicKey& key, std::string_view message) {
  const auto parsed = parse_signature(signature);
  return parsed && verify(*parsed, key, prehash(message));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// Locks an open secret key file with scrypt at a cost that a test can pay; this is the stock tool's arithmetic, told
/// anew.
std::string locked(const std::string& file, const std::string& password, std::uint64_t operations,
                   std::uint64_t memory) {
  SecretKeyBytes secret(file);
  auto& bytes = secret.bytes;
  bytes[SecretKeyBytes::kKdf] = 'S';
  bytes[SecretKeyBytes::kKdf + 1] = 'c';
  for (std::size_t i = 0; i < 32; ++i) bytes[SecretKeyBytes::kSalt + i] = static_cast<unsigned char>(i);
  secret.put_number(SecretKeyBytes::kOpsLimit, operations);
  secret.put_number(SecretKeyBytes::kMemLimit, memory);
  std::vector<unsigned char> covered = {'E', 'd'};
  covered.insert(covered.end(), bytes.begin() + SecretKeyBytes::kKeyId, bytes.begin() + SecretKeyBytes::kChecksum);
  crypto_generichash(bytes.data() + SecretKeyBytes::kChecksum, 32, covered.data(), covered.size(), nullptr, 0);
  std::array<unsigned char, 104> stream{};
  REQUIRE(crypto_pwhash_scryptsalsa208sha256(stream.data(), stream.size(), password.data(), password.size(),
                                             bytes.data() + SecretKeyBytes::kSalt, operations, memory) == 0);
  for (std::size_t i = 0; i < stream.size(); ++i) bytes[SecretKeyBytes::kKeyId + i] ^= stream[i];
  return secret.file();
}

constexpr std::uint64_t kCheapOperations = 32768;
constexpr std::uint64_t kCheapMemory = 16 * 1024 * 1024;

constexpr std::string_view kUntrusted = "untrusted comment: ";

}  // namespace

TEST_CASE("key ids are sixteen upper-case digits") {
  CHECK(to_string(KeyId{}) == "0000000000000000");
  CHECK(to_string(KeyId{0x19DDC1090508FE01}) == "19DDC1090508FE01");
  CHECK(parse_key_id("19DDC1090508FE01") == KeyId{0x19DDC1090508FE01});
  CHECK(parse_key_id("FFFFFFFFFFFFFFFF") == KeyId{~std::uint64_t{0}});
  for (const std::string text :
       {"", "19DDC1090508FE0", "19DDC1090508FE010", "19ddc1090508fe01", "0x19DDC1090508FE", " 9DDC1090508FE01",
        "19DDC1090508FE0G", "19DDC1090508FE0\n", "-9DDC1090508FE01", "19DDC1090508FE0@", "19DDC1090508FE0:"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_key_id(text));
  }
}

TEST_CASE("signatures by the stock tool verify with their key alone") {
  const std::string message = vector_file("message");
  const std::string by_key = vector_file("message.minisig");
  const std::string by_other = vector_file("message.other.minisig");
  CHECK(verifies(by_key, public_key("key.pub"), message));
  CHECK(verifies(by_other, public_key("other.pub"), message));
  CHECK_FALSE(verifies(by_key, public_key("other.pub"), message));
  CHECK_FALSE(verifies(by_other, public_key("key.pub"), message));
  CHECK_FALSE(verifies(by_key, public_key("locked.pub"), message));
  CHECK_FALSE(verifies(by_key, public_key("key.pub"), ""));

  const Signature signature = must(parse_signature(by_key));
  CHECK(to_string(signature.key) == "19DDC1090508FE01");
  CHECK(signature.trusted_comment == "driftd test vector");

  // The right key under another id is not the key that the signature names.
  PublicKey renamed = public_key("key.pub");
  renamed.id.value ^= 1;
  CHECK_FALSE(verifies(by_key, renamed, message));
  PublicKey impostor = public_key("other.pub");
  impostor.id = signature.key;
  CHECK_FALSE(verifies(by_key, impostor, message));
}

TEST_CASE("a legacy signature is refused and called that") {
  check_error(parse_signature(vector_file("message.legacy.minisig")), ErrorCode::signature, "legacy form");
}

TEST_CASE("a changed message does not verify") {
  const std::string message = vector_file("message");
  const Signature signature = must(parse_signature(vector_file("message.minisig")));
  const PublicKey key = public_key("key.pub");
  for_each_bit_flip(message, [&](const std::string& changed, std::size_t at) {
    CAPTURE(at);
    CHECK_FALSE(verify(signature, key, prehash(changed)));
  });
  for_each_truncation(message, [&](std::string_view start) { CHECK_FALSE(verify(signature, key, prehash(start))); });
  CHECK_FALSE(verify(signature, key, prehash(message + "\n")));
}

TEST_CASE("every flipped bit of a signature file counts, but in the text of the untrusted comment") {
  const std::string message = vector_file("message");
  const std::string file = vector_file("message.minisig");
  const PublicKey key = public_key("key.pub");
  const std::size_t comment_end = file.find('\n');
  for_each_bit_flip(file, [&](const std::string& changed, std::size_t at) {
    const bool is_free_text = at >= kUntrusted.size() && at < comment_end && changed[at] != '\n';
    CAPTURE(changed);
    CHECK(verifies(changed, key, message) == is_free_text);
  });
}

TEST_CASE("no part of a signature file is a signature file") {
  const std::string file = vector_file("message.minisig");
  for_each_truncation(file, [](std::string_view start) {
    CAPTURE(start.size());
    check_error(parse_signature(start), ErrorCode::signature, "bad signature file");
  });
}

TEST_CASE("a signature file has four lines in one form") {
  const std::string good = vector_file("message.minisig");
  const std::string line1 = good.substr(0, good.find('\n') + 1);
  struct Row {
    std::string file;
    std::string why;
  };
  const std::vector<Row> table = {
      {good.substr(line1.size()), "line 1 must start with"},
      {replaced(good, "untrusted comment:", "Untrusted comment:"), "line 1 must start with"},
      {replaced(good, "untrusted comment: ", "untrusted comment:"), "line 1 must start with"},
      {" " + good, "line 1 must start with"},
      {"\n" + good, "line 1 must start with"},
      {replaced(good, "\nRUQ", "\n\nRUQ"), "line 2 must be the base64"},
      {replaced(good, "\nRUQ", "\n RUQ"), "line 2 must be the base64"},
      {replaced(good, "\nRUQB", "\nRUQ"), "line 2 must be the base64"},
      {replaced(good, "Igk=\n", "Igk=\r\n"), "line 2 must be the base64"},
      {replaced(good, "Igk=\n", "Igk= \n"), "line 2 must be the base64"},
      {replaced(good, "Igk=\n", "Igk\n"), "line 2 must be the base64"},
      {replaced(good, "Igk=\n", "Igl=\n"), "line 2 must be the base64"},  // stray bits
      {replaced(good, "\nRUQB", "\nRUUB"), "unknown algorithm"},
      {replaced(good, "\nRUQB", "\nZUQB"), "unknown algorithm"},
      {replaced(good, "\ntrusted comment: ", "\ntrusted comment:"), "line 3 must start with"},
      {replaced(good, "\ntrusted comment: ", "\nuntrusted comment: "), "line 3 must start with"},
      {replaced(good, "\ntrusted comment: ", "\n\ntrusted comment: "), "line 3 must start with"},
      {replaced(good, "vector\n", "vector\n\n"), "line 4 must be the base64"},
      {replaced(good, "KAQ==\n", "KAQ=\n"), "line 4 must be the base64"},
      {replaced(good, "KAQ==\n", "KAR==\n"), "line 4 must be the base64"},  // stray bits
      {replaced(good, "KAQ==\n", "KAQ==\r\n"), "line 4 must be the base64"},
      {good + "\n", "something follows line 4"},
      {good + " ", "something follows line 4"},
      {good + std::string(1, '\0'), "something follows line 4"},
      {good + good, "something follows line 4"},
      {replaced(good, "untrusted text", std::string(kMaxSignatureFile, 'x')), "larger than 4 KiB"},
  };
  for (const Row& row : table) {
    CAPTURE(row.file);
    check_error(parse_signature(row.file), ErrorCode::signature, row.why);
  }

  std::string largest = good;
  largest.insert(kUntrusted.size(), std::string(kMaxSignatureFile - good.size(), 'x'));
  CHECK(parse_signature(largest).has_value());
  largest.insert(kUntrusted.size(), "x");
  check_error(parse_signature(largest), ErrorCode::signature, "larger than 4 KiB");
}

TEST_CASE("the trusted comment is signed with the signature that it stands by") {
  const SecretKey key = secret_key("key.sec");
  const PublicKey trusted = key.public_key();
  const std::string one = key.sign("message", "comment one");
  const std::string two = key.sign("message", "comment two");
  const std::string elsewhere = key.sign("another message", "comment one");
  CHECK(verifies(one, trusted, "message"));
  CHECK_FALSE(verifies(replaced(one, "comment one", "comment two"), trusted, "message"));
  CHECK_FALSE(verifies(replaced(one, "comment one", "comment one "), trusted, "message"));
  CHECK_FALSE(verifies(replaced(one, "comment one", "comment one\r"), trusted, "message"));

  Signature mixed = must(parse_signature(one));
  mixed.global = must(parse_signature(two)).global;
  CHECK_FALSE(verify(mixed, trusted, prehash("message")));
  mixed.global = must(parse_signature(elsewhere)).global;
  CHECK_FALSE(verify(mixed, trusted, prehash("message")));
  mixed = must(parse_signature(two));
  mixed.bytes = must(parse_signature(elsewhere)).bytes;
  CHECK_FALSE(verify(mixed, trusted, prehash("another message")));
}

TEST_CASE("we sign as the stock tool does") {
  // Ed25519 has one signature for a key and a message, so ours must be the stock tool's.
  const std::string message = vector_file("message");
  const Signature stock = must(parse_signature(vector_file("message.minisig")));
  const std::string file = secret_key("key.sec").sign(message, stock.trusted_comment);
  const Signature ours = must(parse_signature(file));
  CHECK(ours.key == stock.key);
  CHECK((ours.bytes == stock.bytes));
  CHECK(ours.trusted_comment == stock.trusted_comment);
  CHECK((ours.global == stock.global));
  CHECK(file.starts_with("untrusted comment: signature from driftd-manifest, key 19DDC1090508FE01\n"));

  CHECK(verifies(secret_key("other.sec").sign(message, ""), public_key("other.pub"), message));
  CHECK(verifies(secret_key("other.sec").sign("", "empty"), public_key("other.pub"), ""));
}

TEST_CASE("public keys are read and written as the stock tool writes them") {
  for (const std::string name : {"key", "other", "locked"}) {
    CAPTURE(name);
    const std::string file = vector_file(name + ".pub");
    CHECK(write_public_key(must(parse_public_key(file))) == file);
  }
  CHECK(secret_key("key.sec").public_key() == public_key("key.pub"));
  CHECK(secret_key("other.sec").public_key() == public_key("other.pub"));

  PublicKey leading_zeros = public_key("key.pub");
  leading_zeros.id.value = 0xAB;
  CHECK(write_public_key(leading_zeros).starts_with("untrusted comment: minisign public key 00000000000000AB\n"));
  // As the stock tool writes it; nothing else may be left out.
  std::string stock = write_public_key(leading_zeros);
  const std::string zeros = "00000000000000";
  stock.erase(stock.find(zeros), zeros.size());
  CHECK(must(parse_public_key(stock)) == leading_zeros);
  CHECK_FALSE(parse_public_key(replaced(stock, "key AB", "key 0AB")).has_value());
  CHECK_FALSE(parse_public_key(replaced(stock, "key AB", "key A")).has_value());
  CHECK(must(parse_public_key(write_public_key(leading_zeros))) == leading_zeros);
}

TEST_CASE("a damaged public key file is no key that verifies") {
  const std::string message = vector_file("message");
  const Signature signature = must(parse_signature(vector_file("message.minisig")));
  const std::string file = vector_file("key.pub");
  std::size_t other_keys = 0;
  for_each_bit_flip(file, [&](const std::string& changed, std::size_t) {
    const auto key = parse_public_key(changed);
    if (!key) {
      CHECK(key.error().code == ErrorCode::trust);
      return;
    }
    ++other_keys;
    CAPTURE(changed);
    CHECK_FALSE(verify(signature, *key, prehash(message)));
  });
  CHECK(other_keys > 0);  // about one in 16 of all strings is a key: those must fail by the arithmetic
  for_each_truncation(file, [](std::string_view start) {
    CAPTURE(start.size());
    check_error(parse_public_key(start), ErrorCode::trust, "not a minisign public key file");
  });
}

TEST_CASE("a public key file has two lines in one form") {
  const std::string good = vector_file("key.pub");
  struct Row {
    std::string file;
    std::string why;
  };
  const std::vector<Row> table = {
      {"", "public key file"},
      {"no key\n", "public key file"},
      {good.substr(good.find('\n') + 1), "public key file"},
      {replaced(good, "\n", "\r\n"), "first line must be"},
      {good + "\n", "public key file"},
      {good + good, "public key file"},
      {replaced(good, "\nRWQB", "\nRUQB"), "public key file"},
      {replaced(good, "\nRWQB", "\n RWQB"), "public key file"},
      {vector_file("key.sec"), "public key file"},
      {vector_file("message.minisig"), "public key file"},
      {replaced(good, "19DDC1090508FE01", "19DDC1090508FE02"), "first line must be"},
      {replaced(good, "19DDC1090508FE01", "19ddc1090508fe01"), "first line must be"},
      {replaced(good, "minisign public key", "our public key"), "first line must be"},
  };
  for (const Row& row : table) {
    CAPTURE(row.file);
    check_error(parse_public_key(row.file), ErrorCode::trust, row.why);
  }
}

TEST_CASE("points with which a signature could fit any message are no keys") {
  // All points of small order, in all encodings of theirs (as in the block list of libsodium's ed25519_ref10.c), and
  // each with the sign bit turned.
  const std::vector<std::string> small_order = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  for (const std::string& hex : small_order) {
    for (const unsigned sign : {0x00U, 0x80U}) {
      CAPTURE(hex);
      PublicKey key = public_key("key.pub");
      key.bytes = parse_hex(hex)->bytes;
      key.bytes.back() = static_cast<unsigned char>(key.bytes.back() ^ sign);
      check_error(parse_public_key(write_public_key(key)), ErrorCode::trust, "not a point of the curve");
    }
  }

  // A real key with a point of order 8 added: it verifies what the key does, in some implementations.
  PublicKey mixed = public_key("key.pub");
  const auto torsion = parse_hex(small_order[2])->bytes;
  REQUIRE(crypto_core_ed25519_add(mixed.bytes.data(), mixed.bytes.data(), torsion.data()) == 0);
  check_error(parse_public_key(write_public_key(mixed)), ErrorCode::trust, "not a point of the curve");
}

TEST_CASE("a secret key without a password goes both ways") {
  CHECK(must(SecretKey::is_encrypted(vector_file("key.sec"))) == false);
  const SecretKey key = secret_key("key.sec");
  CHECK(std::string(must(key.write(std::nullopt)).view()) == vector_file("key.sec"));
  // A password that is not wanted is not used.
  CHECK(must(SecretKey::parse(vector_file("key.sec"), "test")).public_key() == public_key("key.pub"));

  const SecretKey fresh = SecretKey::generate();
  const auto file = must(fresh.write(std::nullopt));
  const SecretKey again = must(SecretKey::parse(file.view(), std::nullopt));
  CHECK(again.public_key() == fresh.public_key());
  CHECK(again.sign("x", "y") == fresh.sign("x", "y"));
  CHECK(must(parse_public_key(write_public_key(fresh.public_key()))) == fresh.public_key());
  CHECK(verifies(fresh.sign("x", "y"), fresh.public_key(), "x"));
}

TEST_CASE("every new key is another one") {
  std::set<std::uint64_t> ids;
  std::set<std::array<unsigned char, 32>> keys;
  for (int round = 0; round < 20; ++round) {
    const PublicKey key = SecretKey::generate().public_key();
    ids.insert(key.id.value);
    keys.insert(key.bytes);
  }
  CHECK(ids.size() == 20);
  CHECK(keys.size() == 20);
}

TEST_CASE("a malformed secret key is refused") {
  const std::string good = vector_file("key.sec");
  const auto spoilt = [&](std::size_t at, unsigned char flip) {
    SecretKeyBytes secret(good);
    secret.bytes[at] ^= flip;
    return secret.file();
  };
  const auto limits = [&](std::uint64_t operations, std::uint64_t memory) {
    SecretKeyBytes secret(good);
    secret.bytes[SecretKeyBytes::kKdf] = 'S';
    secret.bytes[SecretKeyBytes::kKdf + 1] = 'c';
    secret.put_number(SecretKeyBytes::kOpsLimit, operations);
    secret.put_number(SecretKeyBytes::kMemLimit, memory);
    return secret.file();
  };
  struct Row {
    std::string file;
    std::string why;
  };
  const std::vector<Row> table = {
      {"", "not a minisign secret key file"},
      {vector_file("key.pub"), "not a minisign secret key file"},
      {good.substr(0, good.size() - 1), "not a minisign secret key file"},
      {good.substr(good.find('\n') + 1), "not a minisign secret key file"},
      {good + "\n", "not a minisign secret key file"},
      {replaced(good, "key\nR", "key\n R"), "not a minisign secret key file"},
      {spoilt(0, 0x20), "of a kind that is known here"},
      {spoilt(1, 0x20), "of a kind that is known here"},
      {spoilt(SecretKeyBytes::kKdf, 'S'), "of a kind that is known here"},
      {spoilt(SecretKeyBytes::kKdf + 1, 'c'), "of a kind that is known here"},
      {spoilt(SecretKeyBytes::kChecksumAlgorithm, 1), "of a kind that is known here"},
      {spoilt(SecretKeyBytes::kChecksumAlgorithm + 1, 1), "of a kind that is known here"},
      {spoilt(SecretKeyBytes::kSeed, 1), "two halves do not belong together"},
      {spoilt(SecretKeyBytes::kPublic - 1, 0x80), "two halves do not belong together"},
      {spoilt(SecretKeyBytes::kPublic, 1), "two halves do not belong together"},
      {spoilt(SecretKeyBytes::kChecksum - 1, 0x80), "two halves do not belong together"},
      {limits((std::uint64_t{1} << 25U) + 1, kCheapMemory), "usual scrypt limits"},
      {limits(kCheapOperations, (std::uint64_t{1} << 30U) + 1), "usual scrypt limits"},
      {limits(~std::uint64_t{0}, ~std::uint64_t{0}), "usual scrypt limits"},
  };
  for (const Row& row : table) {
    CAPTURE(row.file);
    check_error(SecretKey::parse(row.file, "test"), ErrorCode::trust, row.why);
  }
  for_each_truncation(good, [](std::string_view start) {
    CHECK_FALSE(SecretKey::parse(start, std::nullopt).has_value());
    CHECK_FALSE(SecretKey::is_encrypted(start).has_value());
  });
}

TEST_CASE("a damaged secret key signs nothing in the name of the good one") {
  const std::string good = vector_file("key.sec");
  const PublicKey key = public_key("key.pub");
  for_each_bit_flip(good, [&](const std::string& changed, std::size_t) {
    const auto damaged = SecretKey::parse(changed, std::nullopt);
    if (!damaged) return;
    CAPTURE(changed);
    CHECK((damaged->public_key().bytes == key.bytes));
    if (damaged->public_key().id == key.id) CHECK(verifies(damaged->sign("x", ""), key, "x"));
  });
}

TEST_CASE("a secret key with a password opens with it and not without") {
  const std::string file = locked(vector_file("key.sec"), "correct horse", kCheapOperations, kCheapMemory);
  CHECK(must(SecretKey::is_encrypted(file)) == true);
  CHECK(must(SecretKey::parse(file, "correct horse")).public_key() == public_key("key.pub"));

  check_error(SecretKey::parse(file, std::nullopt), ErrorCode::usage, "has a password, and none was given");
  for (const std::string wrong : {"", "correct hors", "correct horse ", "Correct horse"}) {
    CAPTURE(wrong);
    check_error(SecretKey::parse(file, wrong), ErrorCode::io, "wrong password");
  }
  const std::string without = locked(vector_file("key.sec"), "", kCheapOperations, kCheapMemory);
  CHECK(must(SecretKey::parse(without, "")).public_key() == public_key("key.pub"));

  // Whatever else is damaged looks like a wrong password: the checksum covers all that counts.
  for (const std::size_t at : {SecretKeyBytes::kSalt, SecretKeyBytes::kKeyId, SecretKeyBytes::kSeed,
                               SecretKeyBytes::kPublic, SecretKeyBytes::kChecksum, std::size_t{157}}) {
    SecretKeyBytes damaged(file);
    damaged.bytes[at] ^= 1;
    CAPTURE(at);
    check_error(SecretKey::parse(damaged.file(), "correct horse"), ErrorCode::io, "wrong password");
  }
}

TEST_CASE("the stock tool's password and ours cost what they should, and open") {
  // Three times a GiB and some seconds: what the stock tool asks of everybody.
  CHECK(must(SecretKey::is_encrypted(vector_file("locked.sec"))) == true);
  check_error(SecretKey::parse(vector_file("locked.sec"), std::nullopt), ErrorCode::usage, "has a password");
  const auto stock = SecretKey::parse(vector_file("locked.sec"), "test");
  if (!stock && stock.error().message.find("wants more memory than there is") != std::string::npos) {
    MESSAGE("skipped, there is no GiB of memory: ", stock.error().message);
    return;
  }
  REQUIRE(stock.has_value());
  CHECK(stock->public_key() == public_key("locked.pub"));
  CHECK(verifies(stock->sign("x", ""), public_key("locked.pub"), "x"));

  const auto file = must(stock->write("another"));
  CHECK(must(SecretKey::is_encrypted(file.view())) == true);
  const SecretKeyBytes ours(file.view());
  const SecretKeyBytes theirs(vector_file("locked.sec"));
  using Raw = std::vector<unsigned char>;
  const auto part = [](const SecretKeyBytes& secret, std::size_t from, std::size_t to) {
    return Raw(secret.bytes.begin() + static_cast<std::ptrdiff_t>(from),
               secret.bytes.begin() + static_cast<std::ptrdiff_t>(to));
  };
  CHECK((part(ours, 0, SecretKeyBytes::kSalt) == part(theirs, 0, SecretKeyBytes::kSalt)));
  CHECK((part(ours, SecretKeyBytes::kOpsLimit, SecretKeyBytes::kKeyId) ==
         part(theirs, SecretKeyBytes::kOpsLimit, SecretKeyBytes::kKeyId)));
  CHECK((part(ours, SecretKeyBytes::kSalt, SecretKeyBytes::kOpsLimit) != Raw(32)));
  CHECK(must(SecretKey::parse(file.view(), "another")).public_key() == public_key("locked.pub"));
}
