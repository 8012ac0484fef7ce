#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/daemon/host.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/skip.hpp"

using driftd::daemon::Arrival;
using driftd::daemon::Standing;
using driftd::daemon::StateStore;
using driftd::manifests::ErrorCode;
using driftd::manifests::Header;
using driftd::manifests::minisign::KeyId;
using driftd::manifests::minisign::PublicKey;
using driftd::manifests::minisign::SecretKey;
using driftd::test::file_entry;
using driftd::test::forged;
using driftd::test::Host;
using driftd::test::people;
using driftd::test::production;
using driftd::test::production_release;
using driftd::test::text_of;

namespace {

constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::uint64_t kHuge = ~std::uint64_t{0};

/// What a trust directory holds belongs to root; others cannot make one.
bool may_make_trust_directories() {
  if (::geteuid() == 0) return true;
  driftd::test::skip("only root can make files that belong to root");
  return false;
}

std::string with_header(std::uint64_t sequence, const std::function<void(Header&)>& change) {
  Header header = production(sequence);
  change(header);
  return text_of({{"app", file_entry("next")}}, std::move(header));
}

std::vector<std::string> signed_by(const SecretKey& key, const std::string& bytes) { return {key.sign(bytes, "test")}; }

struct Attack {
  std::string name;
  std::function<void(Host&)> mount;
  ErrorCode code;
  std::string words;
};

/// Truly signed by alice, with something in it that no host takes.
Attack malformed(const std::string& name, const std::string& part, const std::string& what, const std::string& words) {
  return {name, [part, what](Host& host) { host.publish(forged(production_release(104), part, what)); },
          ErrorCode::format, words};
}

const std::string kEntry = "./app type=file size=7 ";

std::vector<Attack> attacks_on_trust() {
  const auto& [alice, bob, carol, alias] = people();
  return {
      {"rollback", [](Host& host) { host.publish(production_release(102)); }, ErrorCode::replay,
       "102 is older than 103"},
      {"rollback to nothing", [](Host& host) { host.publish(production_release(0)); }, ErrorCode::replay, "0 is older"},
      {"rollback by another trusted key", [&](Host& host) { host.publish(production_release(102), {&bob}); },
       ErrorCode::replay, "102 is older"},
      {"rollback with both keys",
       [&](Host& host) {
         host.publish(production_release(102), {&alice, &bob});
       },
       ErrorCode::replay, "102 is older"},
      {"equivocation", [](Host& host) { host.publish(with_header(103, [](Header&) {})); }, ErrorCode::equivocation,
       "with other bytes"},
      {"below the configured floor",
       [](Host& host) { host.tree.min_sequence = 200, host.publish(production_release(104)); }, ErrorCode::replay,
       "min_sequence 200"},
      {"freeze: expired when first seen",
       [](Host& host) { host.publish(with_header(104, [](Header& header) { header.expires = Host::kNow - 1; })); },
       ErrorCode::expired, "expired before this host first saw it"},
      {"freeze with the clock set back",
       [](Host& host) {
         host.now = 1000;
         host.publish(with_header(104, [](Header& header) { header.expires = header.created - 1; }));
       },
       ErrorCode::expired, "expired before"},
      {"from the future",
       [](Host& host) { host.publish(with_header(104, [](Header& h) { h.created = Host::kNow + kDay + 1; })); },
       ErrorCode::future, "ahead of this host's clock"},
      {"another product's manifest",
       [](Host& host) { host.publish(with_header(104, [](Header& header) { header.name = "yourapp"; })); },
       ErrorCode::scope, "is for 'yourapp'"},
      {"a staging manifest",
       [](Host& host) { host.publish(with_header(104, [](Header& h) {
                          h.labels = {{"env", "staging"}};
                        })); },
       ErrorCode::scope, "env=production"},
      {"a manifest without labels",
       [](Host& host) { host.publish(with_header(104, [](Header& header) { header.labels.clear(); })); },
       ErrorCode::scope, "env=production"},
      {"another host's rendered configuration",
       [](Host& host) {
         host.tree.require.emplace_back("host", "web-3");
         host.publish(with_header(104, [](Header& h) { h.labels.emplace_back("host", "web-4"); }));
       },
       ErrorCode::scope, "host=web-3"},
      {"an unknown key", [&](Host& host) { host.publish(production_release(104), {&carol}); }, ErrorCode::signature,
       "which is not trusted here"},
      {"an unknown key under a trusted id",
       [&](Host& host) {
         const auto carol_as_alice = driftd::test::with_key_id(people().carol, people().alice.public_key().id);
         host.publish_with(production_release(104), signed_by(carol_as_alice, production_release(104)));
       },
       ErrorCode::signature, "does not fit"},
      {"a revoked key",
       [&](Host& host) { host.revoke(bob.public_key()), host.publish(production_release(104), {&bob}); },
       ErrorCode::revoked, "which is revoked"},
      {"a revoked key under another id",
       [&](Host& host) {
         host.trust("alias", people().alias.public_key());
         host.trust("carol", people().carol.public_key());
         const std::string bytes = production_release(104);
         host.revoke(people().bob.public_key());
         const auto other = driftd::test::with_key_id(people().bob, KeyId{0x77});
         host.trust("other", other.public_key());
         host.publish_with(bytes, signed_by(other, bytes));
       },
       ErrorCode::revoked, "which is revoked"},
      {"one key twice under a threshold",
       [&](Host& host) {
         host.trusted.threshold = 2, host.publish(production_release(104), {&alice, &alice});
       },
       ErrorCode::signature, "1 of the 2 different keys"},
      {"one key under two ids under a threshold",
       [&](Host& host) {
         host.trust("alias", alias.public_key());
         host.trusted.threshold = 2;
         host.publish(production_release(104), {&alice, &alias});
       },
       ErrorCode::signature, "1 of the 2 different keys"},
      {"a trusted and an unknown key under a threshold",
       [&](Host& host) {
         host.trusted.threshold = 2, host.publish(production_release(104), {&alice, &carol});
       },
       ErrorCode::signature, "1 of the 2 different keys"},
      {"a key that this tree does not take",
       [&](Host& host) { host.tree.keys = {"alice"}, host.publish(production_release(104), {&bob}); },
       ErrorCode::signature, "not trusted here"},
      {"a signature of another release",
       [&](Host& host) { host.publish_with(production_release(104), signed_by(alice, production_release(105))); },
       ErrorCode::signature, "bytes were changed"},
      {"a trusted comment that was changed",
       [&](Host& host) {
         auto signature = alice.sign(production_release(104), "test");
         signature.replace(signature.find(": test"), 6, ": tess");
         host.publish_with(production_release(104), std::vector{signature});
       },
       ErrorCode::signature, "does not fit"},
      {"a legacy signature",
       [&](Host& host) {
         auto signature = alice.sign(production_release(104), "test");
         signature.replace(signature.find("\nRU"), 3, "\nRW");  // "Ed" for "ED"
         host.publish_with(production_release(104), std::vector{signature});
       },
       ErrorCode::signature, "legacy"},
      {"junk behind the signature",
       [&](Host& host) {
         host.publish_with(production_release(104), std::vector{alice.sign(production_release(104), "test") + "x"});
       },
       ErrorCode::signature, "something follows"},
      {"no signature", [](Host& host) { host.publish_with(production_release(104), std::vector<std::string>{}); },
       ErrorCode::signature, "no signature"},
      {"an empty signature",
       [](Host& host) { host.publish_with(production_release(104), std::vector<std::string>{""}); },
       ErrorCode::signature, "line 1 must start with"},
  };
}

std::vector<Attack> attacks_on_files() {
  const auto& alice = people().alice;
  return {
      {"nothing there", [](Host& host) { host.clear(); }, ErrorCode::unreadable, "No such file"},
      {"a FIFO", [](Host& host) { host.clear(), host.files.fifo("app.manifest"); }, ErrorCode::unreadable,
       "not a regular"},
      {"a directory", [](Host& host) { host.clear(), host.files.dir("app.manifest"); }, ErrorCode::unreadable, ""},
      {"endless data", [](Host& host) { host.clear(), host.files.link("app.manifest", "/dev/zero"); },
       ErrorCode::unreadable, "not a regular"},
      {"larger than its limit", [](Host& host) { host.publish(std::string(host.limit + 1, '#')); }, ErrorCode::size,
       "larger than the limit"},
      {"a signature larger than its limit",
       [](Host& host) { host.publish_with(production_release(104), std::vector{std::string(4097, 'u')}); },
       ErrorCode::size, "larger than the limit"},
      {"a thousand signatures",
       [&](Host& host) {
         host.publish_with(production_release(104),
                           std::vector<std::string>(1000, alice.sign(production_release(104), "test")));
       },
       ErrorCode::size, "more than 16 signatures"},
      {"cut off",
       [&](Host& host) {
         const std::string whole = production_release(104);
         host.publish_with(whole.substr(0, whole.size() - 1), signed_by(alice, whole));
       },
       ErrorCode::signature, "bytes were changed"},
      {"a line more than was signed",
       [&](Host& host) {
         const std::string whole = production_release(104);
         host.publish_with(whole + "./evil type=file\n", signed_by(alice, whole));
       },
       ErrorCode::signature, "bytes were changed"},
  };
}

std::vector<Attack> attacks_on_the_format() {
  const std::string long_name(256, 'x');
  std::string long_path = "./d";
  for (int i = 0; i < 2100; ++i) long_path += "/d";
  return {
      malformed("..", "./app ", "./../app ", "line 11"),
      malformed(".. at the end", "./app ", "./app/.. ", "line 11"),
      malformed("an absolute path", "./app ", "/app ", "malformed path"),
      malformed("an absolute path below the dot", "./app ", ".//app ", "not a path below"),
      malformed("the root again", "./app ", "./. ", "malformed path"),
      malformed("a duplicate", kEntry, "./app type=dir\n" + kEntry, "stands twice"),
      malformed("a path out of order", kEntry, "./b type=dir\n" + kEntry, "wrong order"),
      malformed("a path without its directory", "./app ", "./b/app ", "directory is missing"),
      malformed("a NUL", "./app ", "./a\\000p ", "not a path below"),
      malformed("a raw NUL", "./app ", std::string("./a\0p ", 6), ""),
      malformed("an over-long component", "./app ", "./" + long_name + " ", ""),
      malformed("an over-long path", "./app ", long_path + " ", "4096"),
      malformed("a header twice", "#name: myapp\n", "#name: myapp\n#name: myapp\n", "line 4"),
      malformed("headers in another order", "#sequence: 104\n", "#entries: 2\n#sequence: 104\n", "line"),
      malformed("an unknown header", "#sequence", "#evil: 1\n#sequence", "unknown header"),
      malformed("a line ended by CRLF", "#name: myapp\n", "#name: myapp\r\n", "line 3"),
      malformed("an entry ended by CRLF", "type=dir\n", "type=dir\r\n", "line 10"),
      malformed("junk behind the end", ". type=dir\n", ". type=dir\n\n", ""),
      malformed("a number with a leading zero", "size=7", "size=07", ""),
      malformed("a number with a sign", "size=7", "size=+7", ""),
      malformed("a number that overflows", "size=7", "size=18446744073709551616", ""),
      malformed("an escape that need not be", "./app ", "./\\141pp ", ""),
      malformed("an escape in another base", "./app ", "./\\x61pp ", ""),
      malformed("a byte that must be escaped", "./app ", "./\x80pp ", ""),
      malformed("an unknown keyword", "size=7", "size=7 flags=none", ""),
      malformed("a keyword twice", "size=7", "size=7 size=7", ""),
      malformed("a device", "type=file", "type=char", ""),
      malformed("a digest in upper case", "sha256=", "sha256=A", ""),
      malformed("a count that is too low", "#entries: 2", "#entries: 1", ""),
      malformed("a count that is too high", "#entries: 2", "#entries: 4000000000", ""),
      malformed("no headers", "#name: myapp\n", "", ""),
      malformed("another format", "#mtree v2.0\n", "#mtree v1.0\n", "not a driftd manifest"),
      malformed("a glob that covers all", "#entries", "#mutable: **\n#entries", "without a wildcard"),
      malformed("a huge header", "#sequence", "#label: a=" + std::string(70'000, 'x') + "\n#sequence", ""),
      {"an empty file", [](Host& host) { host.publish(""); }, ErrorCode::format, "not a driftd manifest"},
  };
}

}  // namespace

TEST_CASE("attacks: each is refused, says why, leaves the state as it was and the last good release in force") {
  if (!may_make_trust_directories()) return;
  std::vector<Attack> attacks = attacks_on_trust();
  for (auto more : {attacks_on_files(), attacks_on_the_format()}) {
    attacks.insert(attacks.end(), more.begin(), more.end());
  }
  CHECK(attacks.size() >= 60);
  for (const Attack& attack : attacks) {
    CAPTURE(attack.name);
    Host host;
    host.publish(production_release(103));
    REQUIRE_FALSE(host.decide().problem);
    const auto before = host.state();
    attack.mount(host);
    // The same for the daemon that saw v103, and for one that starts on this disk.
    for (const bool is_restarted : {false, true}) {
      CAPTURE(is_restarted);
      const Standing standing = is_restarted ? host.restart() : host.decide();
      REQUIRE(standing.problem);
      CHECK(to_string(standing.problem->code) == to_string(attack.code));
      CHECK_MESSAGE(standing.problem->message.find(attack.words) != std::string::npos, standing.problem->message);
      CHECK(standing.problem->message.find('\n') == std::string::npos);
      CHECK((host.state() == before));
      CHECK_FALSE(standing.forgetful);
      // What changes the rules for the old release as well takes it out of force; it is never replaced.
      if (standing.manifest) {
        CHECK(standing.manifest->header().sequence == 103);
      } else {
        CHECK((host.tree.min_sequence > 103 || host.trusted.threshold > 1 || host.tree.require.size() > 1));
      }
    }
  }
}

TEST_CASE("attacks on the trust directory: nothing can be called clean by keys that nobody vouches for") {
  if (!may_make_trust_directories()) return;
  struct Case {
    std::string name;
    std::function<void(Host&)> spoil;
  };
  const PublicKey zero{KeyId{1}, {}};
  PublicKey one{KeyId{1}, {}};
  one.bytes[0] = 1;
  const std::vector<Case> cases = {
      {"others may write", [](Host& host) { host.files.mode("trust.d", 0777); }},
      {"a key that others may write", [](Host& host) { host.files.mode("trust.d/alice.pub", 0666); }},
      {"somebody else's key",
       [](Host& host) { REQUIRE(::chown(host.files.at("trust.d/alice.pub").c_str(), 65534, 65534) == 0); }},
      {"a link", [](Host& host) { host.files.link("trust.d/x.pub", host.files.at("trust.d/alice.pub")); }},
      {"a FIFO", [](Host& host) { host.files.fifo("trust.d/x.pub"); }},
      {"garbage", [](Host& host) { host.files.file("trust.d/x.pub", "garbage"); }},
      {"an all-zero key", [&](Host& host) { host.trust("zero", zero); }},
      {"a key of small order", [&](Host& host) { host.trust("one", one); }},
      {"a revoked file that cannot be read", [](Host& host) { host.files.file("trust.d/revoked", "zzz\n"); }},
      {"a revoked file that others may write", [](Host& host) { host.files.file("trust.d/revoked", "", 0666); }},
      {"no keys at all", [](Host& host) { host.files.remove("trust.d"), host.files.dir("trust.d"); }},
  };
  for (const Case& one_case : cases) {
    CAPTURE(one_case.name);
    Host host;
    host.publish(production_release(103));
    host.decide();
    const auto before = host.state();
    one_case.spoil(host);
    host.publish(production_release(104));
    for (const bool is_restarted : {false, true}) {
      const Standing standing = is_restarted ? host.restart() : host.decide();
      REQUIRE(standing.problem);
      REQUIRE(standing.distrust);
      CHECK(standing.distrust->code == ErrorCode::trust);
      CHECK((host.state() == before));
      if (standing.manifest) CHECK(standing.manifest->header().sequence == 103);
    }
  }
}

TEST_CASE("what is genuine is taken") {
  if (!may_make_trust_directories()) return;
  const auto& [alice, bob, carol, alias] = people();
  Host host;
  host.publish(production_release(103));
  host.decide();
  CHECK(host.standing.manifest->header().sequence == 103);
  const auto first = host.standing.manifest;
  CHECK_FALSE(host.standing.previous);
  CHECK(host.decide().manifest == first);

  SUBCASE("a later release") { host.publish(production_release(104)); }
  SUBCASE("a later release by another key") { host.publish(production_release(104), {&bob}); }
  SUBCASE("a strange signature beside a good one") { host.publish(production_release(104), {&carol, &alice}); }
  SUBCASE("the old content under a higher sequence, signed in advance") {
    host.publish(text_of({{"app", file_entry("app 103")}}, production(104)));
  }
  SUBCASE("one that expires in time") {
    host.publish(with_header(104, [](Header& header) { header.expires = Host::kNow + 1; }));
  }
  SUBCASE("one from a day ahead") {
    host.publish(with_header(104, [](Header& header) { header.created = Host::kNow + kDay; }));
  }
  host.decide();
  CHECK_FALSE(host.standing.problem);
  CHECK(host.standing.manifest->header().sequence == 104);
  REQUIRE(host.standing.previous);
  CHECK(host.standing.previous == first);
  CHECK(host.standing.transition->since == Host::kNow);
  host.restart();
  CHECK(host.standing.manifest->header().sequence == 104);
  REQUIRE(host.standing.previous);
  CHECK(host.standing.previous->header().sequence == 103);
}

TEST_CASE("the last good release stays in force across refusals and restarts") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.publish(production_release(102));
  for (int i = 0; i < 3; ++i) {
    CHECK(host.restart().manifest->header().sequence == 103);
    CHECK(host.standing.problem->code == ErrorCode::replay);
  }
  // With the kept manifest damaged there is nothing to fall back to, and that shows.
  for (const auto& one : std::filesystem::directory_iterator(host.files.at("state/manifests"))) {
    host.files.append("state/manifests/" + one.path().filename().native(), "x");
  }
  host.restart();
  CHECK_FALSE(host.standing.manifest);
  CHECK(host.standing.problem);
  CHECK(host.standing.forgetful);
}

TEST_CASE("a leaked key, a huge sequence, and the way out") {
  if (!may_make_trust_directories()) return;
  const auto& bob = people().bob;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.publish(production_release(kHuge), {&bob});
  CHECK(host.decide().manifest->header().sequence == kHuge);
  host.publish(production_release(104));
  CHECK(host.decide().problem->code == ErrorCode::replay);
  host.revoke(bob.public_key());
  SUBCASE("revoked before the good release came") {
    host.clear();
    host.publish(production_release(kHuge), {&bob});
    CHECK(host.decide().problem->code == ErrorCode::revoked);
    REQUIRE(host.standing.distrust);
    CHECK(host.standing.distrust->code == ErrorCode::revoked);
    host.restart();
    REQUIRE(host.standing.distrust);
    CHECK(host.standing.distrust->code == ErrorCode::revoked);
    host.publish(production_release(104));
  }
  SUBCASE("revoked, and its file removed") { host.files.remove("trust.d/bob.pub"); }
  SUBCASE("revoked while running") {}
  SUBCASE("revoked before a restart") { host.standing = {}; }
  host.decide();
  CHECK_FALSE(host.standing.problem);
  CHECK_FALSE(host.standing.distrust);
  CHECK(host.standing.manifest->header().sequence == 104);
  host.publish(production_release(103));
  CHECK(host.decide().problem->code == ErrorCode::replay);
}

TEST_CASE("a key that is taken away takes what it alone vouched for with it") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103), {&people().bob});
  host.decide();
  host.files.remove("trust.d/bob.pub");
  CHECK(host.decide().distrust->code == ErrorCode::signature);
  host.publish(production_release(104));
  CHECK_FALSE(host.decide().distrust);
}

TEST_CASE("expired while in force is stale, not refused, whatever happens to the daemon") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(with_header(103, [](Header& header) { header.expires = Host::kNow + 10; }));
  CHECK_FALSE(host.decide().problem);
  host.now += 1000;
  CHECK_FALSE(host.decide().problem);
  CHECK_FALSE(host.restart().problem);
  CHECK(host.standing.manifest->header().sequence == 103);
}

TEST_CASE("a clock that is behind what was signed does not count") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(with_header(103, [](Header& header) { header.created = Host::kNow - 10; }));
  CHECK(host.decide().time_floor == Host::kNow - 10);
  host.now = Host::kNow - 1000;
  CHECK(host.restart().time_floor == Host::kNow - 10);
  host.publish(with_header(104, [](Header& header) { header.created = Host::kNow - 10 + kDay; }));
  CHECK_FALSE(host.decide().problem);
}

TEST_CASE("a manifest from a clock that is a little ahead makes nobody doubt this one") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(with_header(103, [](Header& header) { header.created = Host::kNow + 12; }));
  CHECK(host.decide().time_floor <= Host::kNow);
  CHECK(host.restart().time_floor <= Host::kNow);
}

TEST_CASE("a leaked key cannot move the time") {
  if (!may_make_trust_directories()) return;
  const auto& bob = people().bob;
  Host host;
  for (std::uint64_t step = 1; step < 6; ++step) {
    const auto created = Host::kNow + static_cast<std::int64_t>(step) * (kDay - 400);
    host.publish(with_header(103 + step, [&](Header& header) { header.created = created; }), {&bob});
    host.decide();
  }
  host.revoke(bob.public_key());
  host.publish(with_header(200, [](Header& header) { header.expires = Host::kNow + 2 * kDay; }));
  CHECK_FALSE(host.decide().problem);
  CHECK_FALSE(host.restart().problem);
}

TEST_CASE("nothing of a release whose keys are revoked is excused in a deploy") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103), {&people().bob});
  host.decide();
  SUBCASE("revoked before") {
    host.revoke(people().bob.public_key());
    host.publish(production_release(104));
    CHECK_FALSE(host.decide().previous);
  }
  SUBCASE("revoked in its midst") {
    host.publish(production_release(104));
    CHECK(host.decide().previous);
    host.revoke(people().bob.public_key());
    CHECK_FALSE(host.decide().previous);
  }
  CHECK_FALSE(host.restart().previous);
  CHECK(host.standing.manifest->header().sequence == 104);
}

TEST_CASE("the same content under another name goes on with the deploy that is under way") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(102));
  host.decide();
  host.publish(text_of({{"app", file_entry("new")}}, production(103)));
  host.decide();
  host.publish(text_of({{"app", file_entry("new")}}, production(110)));
  REQUIRE(host.decide().previous);
  CHECK(host.standing.previous->header().sequence == 102);
  host.restart();
  REQUIRE(host.standing.previous);
  CHECK(host.standing.previous->header().sequence == 102);
}

TEST_CASE("protection that was lost is back when something has been written, not before") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(102));
  host.decide();
  host.files.rename("state/manifests", "state/elsewhere");
  host.files.file("state/manifests", "in the way");
  host.publish(production_release(103));
  CHECK(host.decide().forgetful);
  CHECK(host.decide().forgetful);
  CHECK(host.standing.manifest->header().sequence == 103);
  host.publish(production_release(102));
  CHECK(host.decide().problem->code == ErrorCode::replay);
  host.publish(production_release(103));
  host.files.remove("state/manifests");
  CHECK_FALSE(host.decide().forgetful);
  host.publish(production_release(102));
  CHECK(host.restart().problem->code == ErrorCode::replay);
}

TEST_CASE("what could not be written when it was accepted is written later, whatever lies on disk then") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(102));
  host.decide();
  host.files.rename("state/manifests", "state/elsewhere");
  host.files.file("state/manifests", "in the way");
  host.publish(production_release(103));
  CHECK(host.decide().forgetful);
  REQUIRE(host.standing.previous);
  host.publish(production_release(102));
  CHECK(host.decide().forgetful);
  CHECK(host.standing.manifest->header().sequence == 103);
  host.files.remove("state/manifests");
  host.files.rename("state/elsewhere", "state/manifests");
  CHECK_FALSE(host.decide().forgetful);
  CHECK(host.standing.problem->code == ErrorCode::replay);
  REQUIRE(host.restart().problem);
  CHECK(host.standing.problem->code == ErrorCode::replay);
  CHECK(host.standing.manifest->header().sequence == 103);
  REQUIRE(host.standing.previous);
  CHECK(host.standing.previous->header().sequence == 102);
}

TEST_CASE("a release that a changed configuration does not take is not in force") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.tree.require.emplace_back("host", "web-3");
  CHECK_FALSE(host.decide().manifest);
  CHECK(host.standing.problem->code == ErrorCode::scope);
}

TEST_CASE("a reset that finds nothing to take leaves what is in force guarded") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.publish_with(production_release(104), {"garbage"});
  CHECK(host.decide().problem);
  {
    auto tool = driftd::test::must(StateStore::open_for_repair(host.files.at("state")));
    driftd::test::must(tool.reset_trust("app", "a slip", Host::kNow));
  }
  SUBCASE("while running") { host.decide(); }
  SUBCASE("before a restart") { host.restart(); }
  CHECK(host.standing.manifest->header().sequence == 103);
  CHECK_FALSE(host.standing.forgetful);
  host.publish(production_release(102));
  CHECK(host.restart().problem->code == ErrorCode::replay);
}

TEST_CASE("that a tree starts from nothing is told as long as the process lives") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  CHECK(host.decide().is_first);
  CHECK(host.decide().is_first);
  CHECK_FALSE(host.restart().is_first);
  host.tree.name = "renamed";
  CHECK(host.restart().is_first);
}

TEST_CASE("a further signature is no deploy, and is remembered") {
  if (!may_make_trust_directories()) return;
  const auto& [alice, bob, carol, alias] = people();
  Host host;
  host.publish(production_release(103), {&alice});
  host.decide();
  host.publish(production_release(103), {&alice, &bob});
  host.decide();
  CHECK_FALSE(host.standing.previous);
  CHECK(host.standing.manifest->keys().size() == 2);
  host.revoke(alice.public_key());
  CHECK_FALSE(host.decide().distrust);
  host.publish(production_release(102), {&bob});
  CHECK(host.decide().problem->code == ErrorCode::replay);
}

TEST_CASE("a root that is another now is judged as a whole") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.publish(production_release(104));
  CHECK_FALSE(host.decide(Arrival::flip).previous);
  CHECK_FALSE(host.restart().previous);
}

TEST_CASE("trust that was reset takes the older release that lies on disk, once") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.publish(production_release(103));
  host.decide();
  host.publish(production_release(102));
  CHECK(host.decide().problem);
  {
    auto tool = driftd::test::must(StateStore::open_for_repair(host.files.at("state")));
    driftd::test::must(tool.reset_trust("app", "103 was a mistake", Host::kNow));
  }
  SUBCASE("while running") { host.decide(); }
  SUBCASE("before a restart") { host.restart(); }
  CHECK_FALSE(host.standing.problem);
  CHECK(host.standing.manifest->header().sequence == 102);
  REQUIRE(host.standing.trust_reset);
  CHECK(host.standing.trust_reset->reason == "103 was a mistake");
  host.publish(production_release(101));
  CHECK(host.decide().problem->code == ErrorCode::replay);
  host.publish(production_release(103));
  CHECK_FALSE(host.decide().problem);
}

TEST_CASE("without state, what this process has seen still counts, and the loss shows") {
  if (!may_make_trust_directories()) return;
  Host host;
  host.files.file("state", "in the way");
  host.publish(production_release(103));
  CHECK(host.decide().manifest->header().sequence == 103);
  CHECK(host.store->protection() == StateStore::Protection::lost);
  host.publish(production_release(102));
  CHECK(host.decide().problem->code == ErrorCode::replay);
  CHECK(host.standing.manifest->header().sequence == 103);
}
