#include <vector>

#include <doctest/doctest.h>

#include "manifests/ratchet.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/people.hpp"

using driftd::manifests::check_still_trusted;
using driftd::manifests::ErrorCode;
using driftd::manifests::Ratchet;
using driftd::manifests::TrustPolicy;
using driftd::manifests::Vouched;
using driftd::manifests::minisign::SecretKey;
using driftd::test::check_error;
using driftd::test::people;
using driftd::test::public_keys;
using driftd::test::release;
using driftd::test::Signers;
using driftd::test::verified;

namespace {

constexpr std::uint64_t kHuge = ~std::uint64_t{0};

TrustPolicy trusting(const Signers& trusted, const Signers& revoked = {}, unsigned threshold = 1) {
  return {public_keys(trusted), public_keys(revoked), threshold};
}

}  // namespace

TEST_CASE("sequences only rise") {
  const auto& [alice, bob, carol, alias] = people();
  Ratchet ratchet;
  const TrustPolicy policy = trusting({&alice, &bob, &carol});
  CHECK(ratchet.highest(policy) == nullptr);
  CHECK(ratchet.check(verified(release("v1", 0), {&alice}), policy));
  ratchet.advance(verified(release("v103", 103), {&alice}));
  const auto follows = [&](const std::string& bytes, const Signers& signers) {
    return ratchet.check(verified(bytes, signers), policy);
  };
  CHECK(follows(release("v104", 104), {&alice}));
  CHECK(follows(release("v103", 104), {&bob}));
  CHECK(follows(release("v200", kHuge), {&alice}));
  check_error(follows(release("v102", 102), {&alice}), ErrorCode::replay, "102 is older than 103");
  check_error(follows(release("v103", 0), {&bob}), ErrorCode::replay, "0 is older than 103");
  check_error(follows(release("v103-hotfix", 103), {&alice}), ErrorCode::equivocation, "other bytes");
  // The same bytes are the same release, whoever signs them in addition or instead.
  CHECK(follows(release("v103", 103), {&alice}));
  CHECK(follows(release("v103", 103), {&alice, &bob}));
  CHECK(follows(release("v103", 103), {&carol}));
}

TEST_CASE("a leaked key cannot lock anybody out once it is revoked") {
  const auto& [alice, bob, carol, alias] = people();
  Ratchet ratchet;
  ratchet.advance(verified(release("v103", 103), {&alice}));
  ratchet.advance(verified(release("evil", kHuge), {&bob}));
  const auto next = verified(release("v104", 104), {&alice});
  check_error(ratchet.check(next, trusting({&alice, &bob})), ErrorCode::replay,
              "104 is older than 18446744073709551615");
  const TrustPolicy revoked = trusting({&alice}, {&bob});
  CHECK(ratchet.check(next, revoked));
  check_error(ratchet.check(verified(release("v102", 102), {&alice}), revoked), ErrorCode::replay, "102 is older");
  // The key's file may be gone; its id is revoked all the same.
  TrustPolicy by_id = trusting({&alice});
  by_id.revoked_ids = {bob.public_key().id};
  CHECK(ratchet.check(next, by_id));
  // A key that is merely taken away has not lied.
  CHECK_FALSE(ratchet.check(next, trusting({&alice})));
  // Under another id it is the same key.
  Ratchet by_alias;
  by_alias.advance(verified(release("evil", kHuge), {&alias}));
  CHECK(by_alias.check(next, trusting({&bob}, {&alice})));
}

TEST_CASE("what somebody else has vouched for as well goes on counting") {
  const auto& [alice, bob, carol, alias] = people();
  Ratchet ratchet;
  ratchet.advance(verified(release("v103", 103), {&alice, &bob}));
  check_error(ratchet.check(verified(release("v102", 102), {&alice}), trusting({&alice}, {&bob})), ErrorCode::replay,
              "102 is older than 103");
  CHECK(ratchet.check(verified(release("v1", 1), {&carol}), trusting({&carol}, {&alice, &bob})));
}

TEST_CASE("no more is kept than what can come to matter") {
  const auto& [alice, bob, carol, alias] = people();
  Ratchet ratchet;
  for (std::uint64_t sequence = 1; sequence < 50; ++sequence) {
    ratchet.advance(verified(release("v", sequence), {sequence % 2 == 0 ? &alice : &bob}));
  }
  CHECK(ratchet.vouched().size() == 2);
  ratchet.advance(verified(release("v", 60), {&alice, &bob}));
  REQUIRE(ratchet.vouched().size() == 1);
  CHECK(ratchet.vouched().front().sequence == 60);
  // An older one by some of them adds nothing.
  ratchet.advance(verified(release("v", 55), {&alice}));
  CHECK(ratchet.vouched().size() == 1);
  CHECK(Ratchet(std::vector<Vouched>(ratchet.vouched().begin(), ratchet.vouched().end())).vouched().size() == 1);
}

TEST_CASE("a release in force is trusted as long as its keys are") {
  const auto& [alice, bob, carol, alias] = people();
  const auto manifest = verified(release(), {&alice, &bob});
  CHECK(check_still_trusted(manifest, trusting({&alice})));
  CHECK(check_still_trusted(manifest, trusting({&alice, &bob}, {}, 2)));
  CHECK(check_still_trusted(manifest, trusting({&alice}, {&bob})));
  check_error(check_still_trusted(manifest, trusting({&carol}, {&alice, &bob})), ErrorCode::revoked, "revoked");
  check_error(check_still_trusted(manifest, trusting({&alice, &carol}, {&bob}, 2)), ErrorCode::revoked, "revoked");
  check_error(check_still_trusted(manifest, trusting({&carol})), ErrorCode::signature, "not trusted any more");
  check_error(check_still_trusted(manifest, trusting({&alice, &carol}, {}, 2)), ErrorCode::signature, "not trusted");
}
