#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/mtree.hpp"
#include "manifests/trust.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/keys.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/mutations.hpp"
#include "tests/unit/support/people.hpp"

using driftd::manifests::check_creation;
using driftd::manifests::check_scope;
using driftd::manifests::ErrorCode;
using driftd::manifests::Header;
using driftd::manifests::is_expired;
using driftd::manifests::KeepDigests;
using driftd::manifests::Scope;
using driftd::manifests::TrustPolicy;
using driftd::manifests::VerifiedManifest;
using driftd::manifests::minisign::KeyId;
using driftd::manifests::minisign::prehash;
using driftd::manifests::minisign::PublicKey;
using driftd::manifests::minisign::SecretKey;
using driftd::test::check_error;
using driftd::test::for_each_bit_flip;
using driftd::test::for_each_truncation;
using driftd::test::header_of;
using driftd::test::must;
using driftd::test::people;
using driftd::test::public_keys;
using driftd::test::release;
using driftd::test::signatures;
using driftd::test::Signers;
using driftd::test::verified;
using driftd::test::with_key_id;

TEST_CASE("a manifest that a trusted key has signed is verified") {
  const auto& [alice, bob, carol, alias] = people();
  const std::string bytes = release();
  const TrustPolicy policy{{bob.public_key(), alice.public_key()}, {}, 1};
  const auto manifest = must(VerifiedManifest::verify({bytes, signatures({&alice}, bytes)}, policy));
  CHECK(manifest.header().release == "v103");
  CHECK(manifest.manifest().find("app") == 1);
  CHECK((manifest.keys() == public_keys({&alice})));
  CHECK((manifest.identity() == prehash(bytes)));
  CHECK(manifest.content() == must(driftd::manifests::read_manifest(bytes)).content);
  CHECK(manifest.manifest().sha256(1) == nullptr);
  const auto whole = must(VerifiedManifest::verify({bytes, signatures({&alice}, bytes)}, policy, KeepDigests::all));
  CHECK(whole.manifest().sha256(1) != nullptr);
}

TEST_CASE("who signs and who is trusted decide together") {
  const auto& [alice, bob, carol, alias] = people();
  struct Row {
    std::string name;
    Signers signers;
    Signers trusted;
    Signers revoked;
    unsigned threshold;
    Signers counted;
  };
  const std::vector<Row> table = {
      {"one of one", {&alice}, {&alice}, {}, 1, {&alice}},
      {"one of two that are trusted", {&bob}, {&alice, &bob}, {}, 1, {&bob}},
      {"both", {&alice, &bob}, {&alice, &bob}, {}, 1, {&alice, &bob}},
      {"two of two", {&alice, &bob}, {&alice, &bob}, {}, 2, {&alice, &bob}},
      {"two of three", {&carol, &alice}, {&alice, &bob, &carol}, {}, 2, {&alice, &carol}},
      {"three of three", {&carol, &alice, &bob}, {&alice, &bob, &carol}, {}, 3, {&alice, &bob, &carol}},
      {"a stranger's is passed over", {&carol, &alice}, {&alice}, {}, 1, {&alice}},
      {"strangers before and after", {&carol, &alice, &bob, &carol}, {&alice, &bob}, {}, 2, {&alice, &bob}},
      {"a revoked one's is passed over", {&carol, &alice}, {&alice}, {&carol}, 1, {&alice}},
      {"one that is trusted and revoked is passed over", {&carol, &alice}, {&alice, &carol}, {&carol}, 1, {&alice}},
      {"one twice is one", {&alice, &alice}, {&alice}, {}, 1, {&alice}},
      {"one trusted twice is one", {&alice}, {&alice, &alice}, {}, 1, {&alice}},
      {"under the id that is trusted", {&alias}, {&alias}, {}, 1, {&alias}},
  };
  const std::string bytes = release();
  for (const Row& row : table) {
    CAPTURE(row.name);
    const TrustPolicy policy{public_keys(row.trusted), public_keys(row.revoked), row.threshold};
    const auto manifest = VerifiedManifest::verify({bytes, signatures(row.signers, bytes)}, policy);
    REQUIRE(manifest);
    std::vector<PublicKey> expected = public_keys(row.counted);
    std::sort(expected.begin(), expected.end());
    CHECK((manifest->keys() == expected));
  }
}

TEST_CASE("a manifest without enough trusted signatures is refused, with the most telling reason") {
  const auto& [alice, bob, carol, alias] = people();
  struct Row {
    std::string name;
    Signers signers;
    Signers trusted;
    Signers revoked;
    unsigned threshold;
    ErrorCode code;
    std::string why;
  };
  constexpr ErrorCode kSignature = ErrorCode::signature;
  constexpr ErrorCode kRevoked = ErrorCode::revoked;
  const std::string carol_id = to_string(carol.public_key().id);
  const std::vector<Row> table = {
      {"no signature", {}, {&alice}, {}, 1, kSignature, "no signature"},
      {"a stranger",
       {&carol},
       {&alice},
       {},
       1,
       kSignature,
       "signed by key " + carol_id + ", which is not trusted here"},
      {"nobody is trusted", {&carol}, {}, {}, 1, kSignature, "not trusted here"},
      {"nobody is wanted, and nobody is trusted", {&carol}, {}, {}, 0, kSignature, "not trusted here"},
      {"nobody is wanted, and nobody signed", {}, {&alice}, {}, 0, kSignature, "no signature"},
      {"revoked", {&carol}, {&alice}, {&carol}, 1, kRevoked, "signed by key " + carol_id + ", which is revoked"},
      {"trusted and revoked", {&carol}, {&carol}, {&carol}, 1, kRevoked, "which is revoked"},
      {"revoked under another id", {&alias}, {&alias}, {&alice}, 1, kRevoked, "which is revoked"},
      {"trusted under another id", {&alice}, {&alias}, {}, 1, kSignature, "not trusted here"},
      {"a revoked one, then a stranger",
       {&carol, &bob},
       {&alice},
       {&carol},
       1,
       kRevoked,
       carol_id + ", which is revoked"},
      {"a stranger, then a revoked one",
       {&bob, &carol},
       {&alice},
       {&carol},
       1,
       kRevoked,
       carol_id + ", which is revoked"},
      {"one of two", {&alice}, {&alice, &bob}, {}, 2, kSignature, "by 1 of the 2 different keys"},
      {"one twice is not two", {&alice, &alice}, {&alice, &bob}, {}, 2, kSignature, "by 1 of the 2 different keys"},
      {"one under two ids is not two",
       {&alice, &alias},
       {&alice, &alias},
       {},
       2,
       kSignature,
       "by 1 of the 2 different keys"},
      {"one and a stranger are not two", {&alice, &carol}, {&alice, &bob}, {}, 2, kSignature, "not trusted here"},
      {"one and a revoked one are not two",
       {&alice, &carol},
       {&alice, &carol},
       {&carol},
       2,
       kSignature,
       "by 1 of the 2 different keys that are wanted; signed by key " + carol_id + ", which is revoked"},
      {"two revoked ones", {&bob, &carol}, {}, {&bob, &carol}, 2, kRevoked, "by 0 of the 2"},
  };
  const std::string bytes = release();
  for (const Row& row : table) {
    CAPTURE(row.name);
    const TrustPolicy policy{public_keys(row.trusted), public_keys(row.revoked), row.threshold};
    check_error(VerifiedManifest::verify({bytes, signatures(row.signers, bytes)}, policy), row.code, row.why);
  }
}

TEST_CASE("a signature for other bytes does not count") {
  const auto& [alice, bob, carol, alias] = people();
  const std::string bytes = release();
  const std::string other = release("v104", 104);
  const TrustPolicy policy{{alice.public_key(), bob.public_key()}, {}, 1};
  const std::string why = "bytes were changed after signing: the signature by key " + to_string(alice.public_key().id);
  check_error(VerifiedManifest::verify({bytes, signatures({&alice}, other)}, policy), ErrorCode::signature, why);
  // A stranger's and a malformed one say less.
  for (const bool first : {true, false}) {
    std::vector<std::string> files = signatures({&alice}, other);
    files.insert(first ? files.begin() : files.end(), carol.sign(bytes, ""));
    files.insert(first ? files.begin() : files.end(), "rubbish");
    check_error(VerifiedManifest::verify({bytes, files}, policy), ErrorCode::signature, why);
    files.push_back(bob.sign(bytes, ""));
    CHECK(VerifiedManifest::verify({bytes, files}, policy));
  }
  check_error(VerifiedManifest::verify({bytes, {"rubbish"}}, policy), ErrorCode::signature, "bad signature file");
  check_error(VerifiedManifest::verify({bytes, {""}}, policy), ErrorCode::signature, "bad signature file");

  // The id of a trusted key is no more than a claim.
  const SecretKey impostor = with_key_id(carol, alice.public_key().id);
  check_error(VerifiedManifest::verify({bytes, {impostor.sign(bytes, "")}}, policy), ErrorCode::signature,
              "does not fit them");
}

TEST_CASE("no changed byte of a signed manifest passes") {
  const SecretKey& alice = people().alice;
  const std::string bytes = release();
  const TrustPolicy policy{{alice.public_key()}, {}, 1};
  const std::vector<std::string> files = signatures({&alice}, bytes);
  for_each_bit_flip(bytes, [&](const std::string& changed, std::size_t at) {
    const auto manifest = VerifiedManifest::verify({changed, files}, policy);
    CAPTURE(at);
    REQUIRE_FALSE(manifest);
    CHECK(manifest.error().code == ErrorCode::signature);
  });
  for_each_truncation(bytes, [&](std::string_view start) {
    CAPTURE(start.size());
    CHECK_FALSE(VerifiedManifest::verify({std::string(start), files}, policy));
  });
  CHECK_FALSE(VerifiedManifest::verify({bytes + "\n", files}, policy));
}

TEST_CASE("nothing is parsed before it is verified") {
  const auto& [alice, bob, carol, alias] = people();
  const TrustPolicy policy{{alice.public_key()}, {}, 1};
  for (const std::string& bytes : {std::string(), std::string("rubbish"), release() + "x"}) {
    CAPTURE(bytes);
    check_error(VerifiedManifest::verify({bytes, signatures({&carol}, bytes)}, policy), ErrorCode::signature,
                "not trusted here");
    check_error(VerifiedManifest::verify({bytes, signatures({&alice}, bytes)}, policy), ErrorCode::format, "");
  }
}

TEST_CASE("a truly signed manifest counts within its scope only") {
  constexpr std::int64_t kCreated = 1'763'719'200;
  constexpr std::int64_t kDay = 24 * 60 * 60;
  struct Row {
    std::string name;
    Scope scope;
    ErrorCode code;
    std::string why;
  };
  Header header = header_of("v103", 103);
  header.created = kCreated;
  header.labels = {{"env", "production"}, {"host", "web1"}, {"host", "web2"}};

  const std::vector<std::pair<Scope, std::int64_t>> taken = {
      {{"myapp", {}, 0}, kCreated},
      {{"myapp", {}, 103}, kCreated},
      {{"myapp", {{"env", "production"}}, 0}, kCreated},
      {{"myapp", {{"host", "web2"}, {"env", "production"}}, 0}, kCreated},
      {{"myapp", {}, 0}, kCreated - kDay},
      {{"myapp", {}, 0}, kCreated + 1000 * kDay},
  };
  for (std::size_t at = 0; at < taken.size(); ++at) {
    CAPTURE(at);
    CHECK(check_scope(header, taken[at].first));
    CHECK(check_creation(header, taken[at].second));
  }

  const std::vector<Row> refused = {
      {"another name", {"other", {}, 0}, ErrorCode::scope, "is for 'myapp', this tree takes 'other'"},
      {"a name in other letters", {"MyApp", {}, 0}, ErrorCode::scope, "is for 'myapp'"},
      {"the start of a name", {"my", {}, 0}, ErrorCode::scope, "is for 'myapp'"},
      {"a hostile name", {"\x1b[31m", {}, 0}, ErrorCode::scope, "takes '\\x1b[31m'"},
      {"another value", {"myapp", {{"env", "staging"}}, 0}, ErrorCode::scope, "label env=staging"},
      {"the start of a value", {"myapp", {{"env", "prod"}}, 0}, ErrorCode::scope, "label env=prod,"},
      {"another key", {"myapp", {{"stage", "production"}}, 0}, ErrorCode::scope, "label stage=production"},
      {"another key's value", {"myapp", {{"env", "web1"}}, 0}, ErrorCode::scope, "label env=web1"},
      {"one label of two", {"myapp", {{"env", "production"}, {"host", "web3"}}, 0}, ErrorCode::scope, "web3"},
      {"below the floor", {"myapp", {}, 104}, ErrorCode::replay, "103 is below this tree's min_sequence 104"},
      {"scope before sequence", {"other", {}, 104}, ErrorCode::scope, "is for"},
  };
  for (const Row& row : refused) {
    CAPTURE(row.name);
    check_error(check_scope(header, row.scope), row.code, row.why);
  }
  CHECK_FALSE(check_scope(header_of(), {"myapp", {{"env", ""}}, 0}));
  for (const std::int64_t now : {kCreated - kDay - 1, std::int64_t{0}}) {
    check_error(check_creation(header, now), ErrorCode::future, "more than a day ahead");
  }
}

TEST_CASE("being expired is no matter of scope") {
  Header header = header_of();
  CHECK_FALSE(is_expired(header, header.created + 1'000'000'000));
  header.expires = header.created + 100;
  CHECK_FALSE(is_expired(header, header.created + 99));
  CHECK(is_expired(header, header.created + 100));
  CHECK(is_expired(header, header.created + 101));
  CHECK(check_scope(header, {"myapp", {}, 0}));
}
