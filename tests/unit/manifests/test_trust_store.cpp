#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/trust_store.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/keys.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::ErrorCode;
using driftd::manifests::load_public_key;
using driftd::manifests::load_trust_store;
using driftd::manifests::NamedKey;
using driftd::manifests::TrustPolicy;
using driftd::manifests::TrustStore;
using driftd::manifests::minisign::KeyId;
using driftd::manifests::minisign::PublicKey;
using driftd::manifests::minisign::SecretKey;
using driftd::manifests::minisign::write_public_key;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

/// What a trust directory holds belongs to root; others cannot make one.
bool may_make_trust_directories() {
  if (::geteuid() == 0) return true;
  driftd::test::skip("only root can make files that belong to root");
  return false;
}

PublicKey new_key() { return SecretKey::generate().public_key(); }

PublicKey under_other_id(PublicKey key, std::uint64_t id) {
  key.id.value = id;
  return key;
}

std::vector<std::string> names(const std::vector<NamedKey>& keys) {
  std::vector<std::string> all;
  for (const NamedKey& key : keys) all.push_back(key.name);
  return all;
}

using Names = std::vector<std::string>;

void chown_to_nobody(const std::string& path) { REQUIRE(::lchown(path.c_str(), 65534, 65534) == 0); }

}  // namespace

TEST_CASE("what belongs to somebody else than root is not trusted") {
  const TempTree tree;
  tree.dir("trust.d");
  if (::geteuid() == 0) chown_to_nobody(tree.at("trust.d"));
  check_error(load_trust_store({tree.at("trust.d")}), ErrorCode::trust, "trust.d: must belong to root");
}

TEST_CASE("a directory that does not exist holds nothing") {
  const TempTree tree;
  CHECK(must(load_trust_store({})).keys.empty());
  CHECK(must(load_trust_store({tree.at("missing"), tree.at("missing/deeper")})).keys.empty());
}

TEST_CASE("keys come from all directories, by the names of their files") {
  if (!may_make_trust_directories()) return;
  const TempTree tree;
  tree.dir("vendor");
  tree.dir("admin", 0700);
  const PublicKey vendor = new_key();
  const PublicKey admin = new_key();
  const PublicKey both = new_key();
  tree.file("vendor/vendor.pub", write_public_key(vendor));
  tree.file("vendor/both.pub", write_public_key(both), 0400);
  tree.file("admin/both.pub", write_public_key(both));
  tree.file("admin/a b.pub", write_public_key(admin), 0444);
  tree.file("admin/revoked", "");
  // What is not named as a key is none, whatever it holds and whoever may write to it.
  tree.file("admin/README", "rubbish", 0666);
  tree.file("admin/other.pub.bak", "rubbish", 0666);
  tree.file("admin/other.PUB", "rubbish");
  tree.file("admin/.pub", "rubbish");
  tree.file("admin/revoked.old", "rubbish");
  tree.dir("admin/below");
  tree.file("admin/below/below.pub", write_public_key(new_key()));

  const TrustStore store = must(load_trust_store({tree.at("vendor"), tree.at("missing"), tree.at("admin")}));
  CHECK((names(store.keys) == Names{"both", "vendor", "a b", "both"}));
  CHECK(store.revoked.empty());
  CHECK(store.keys[1].key == vendor);
  CHECK(store.keys[2].key == admin);
  CHECK(store.keys[3].key == both);
}

TEST_CASE("one thing amiss makes all directories unusable") {
  if (!may_make_trust_directories()) return;
  struct Row {
    std::string name;
    std::function<void(const TempTree&)> spoil;
    std::string why;
  };
  const std::string good = write_public_key(new_key());
  const std::string id = "0123456789ABCDEF";
  const auto revoked = [](std::string text) {
    return [text = std::move(text)](const TempTree& tree) { tree.file("bad/revoked", text); };
  };
  const std::vector<Row> table = {
      {"directory of another user", [](auto& t) { chown_to_nobody(t.at("bad")); }, "bad: must belong to root"},
      {"directory, group-writable", [](auto& t) { t.mode("bad", 0775); }, "bad: must not be writable by group"},
      {"directory, world-writable", [](auto& t) { t.mode("bad", 0757); }, "bad: must not be writable by group"},
      {"directory, a sticky one", [](auto& t) { t.mode("bad", 01777); }, "bad: must not be writable by group"},
      {"directory is a link",
       [](auto& t) {
         t.rename("bad", "real");
         t.link("bad", "real");
       },
       "/bad: "},
      {"directory is a dangling link",
       [](auto& t) {
         t.remove("bad");
         t.link("bad", "nowhere");
       },
       "/bad: "},
      {"directory is a file",
       [](auto& t) {
         t.remove("bad");
         t.file("bad", "");
       },
       "Not a directory"},
      {"key of another user", [](auto& t) { chown_to_nobody(t.at("bad/release.pub")); },
       "release.pub: must belong to root"},
      {"key, group-writable", [](auto& t) { t.mode("bad/release.pub", 0664); }, "release.pub: must not be writable"},
      {"key, world-writable", [](auto& t) { t.mode("bad/release.pub", 0646); }, "release.pub: must not be writable"},
      {"key is a link to a good one",
       [&](auto& t) {
         t.file("real.pub", good);
         t.link("bad/link.pub", "../real.pub");
       },
       "link.pub: is a symbolic link"},
      {"key is a dangling link", [](auto& t) { t.link("bad/link.pub", "nowhere"); }, "link.pub: is a symbolic link"},
      {"key is a directory", [](auto& t) { t.dir("bad/dir.pub"); }, "dir.pub: not a regular file"},
      {"key is a FIFO", [](auto& t) { t.fifo("bad/fifo.pub"); }, "fifo.pub: not a regular file"},
      {"key is rubbish", [](auto& t) { t.file("bad/more.pub", "no key\n"); }, "more.pub: not a minisign public key"},
      {"key is empty", [](auto& t) { t.file("bad/more.pub", ""); }, "more.pub: not a minisign public key"},
      {"key has something behind it", [&](auto& t) { t.file("bad/more.pub", good + "\n"); },
       "more.pub: not a minisign"},
      {"key is huge", [&](auto& t) { t.file("bad/more.pub", std::string(4097, 'x')); },
       "larger than the limit of 4096"},
      {"a hostile name", [](auto& t) { t.file("bad/\x1b[31m.pub", "no key\n"); }, "bad/\\x1b[31m.pub: not a minisign"},
      {"revoked is rubbish", revoked("rubbish\n"), "revoked: line 1: not a key id"},
      {"revoked, lower case", revoked("0123456789abcdef\n"), "revoked: line 1: not a key id"},
      {"revoked, a digit too few", revoked(id + "\n\n" + id.substr(1) + "\n"), "revoked: line 3: not a key id"},
      {"revoked, a digit too many", revoked("# list\n" + id + "0\n"), "revoked: line 2: not a key id"},
      {"revoked, something before it", revoked(" " + id + "\n"), "revoked: line 1: not a key id"},
      {"revoked, something behind it", revoked(id + " leaked\n"), "revoked: line 1: not a key id"},
      {"revoked, two in a line", revoked(id + " " + id + "\n"), "revoked: line 1: not a key id"},
      {"revoked, a NUL", revoked(id + std::string(1, '\0')), "revoked: line 1: not a key id"},
      {"revoked, a public key", revoked(good), "revoked: line 1: not a key id"},
      {"revoked of another user",
       [&](auto& t) {
         t.file("bad/revoked", id);
         chown_to_nobody(t.at("bad/revoked"));
       },
       "revoked: must belong to root"},
      {"revoked, group-writable", [](auto& t) { t.file("bad/revoked", "", 0664); }, "revoked: must not be writable"},
      {"revoked is a link", [](auto& t) { t.link("bad/revoked", "/dev/null"); }, "revoked: is a symbolic link"},
      {"revoked is a dangling link", [](auto& t) { t.link("bad/revoked", "nowhere"); }, "revoked: is a symbolic link"},
      {"revoked is a directory", [](auto& t) { t.dir("bad/revoked"); }, "revoked: not a regular file"},
      {"revoked is a FIFO", [](auto& t) { t.fifo("bad/revoked"); }, "revoked: not a regular file"},
      {"revoked is huge", revoked(std::string(1024 * 1024 + 1, '\n')), "revoked: larger than the limit"},
  };
  for (const Row& row : table) {
    CAPTURE(row.name);
    const TempTree tree;
    for (const char* directory : {"good", "bad"}) {
      tree.dir(directory);
      tree.file(std::string(directory) + "/release.pub", good);
    }
    REQUIRE(load_trust_store({tree.at("good"), tree.at("bad")}));
    row.spoil(tree);
    check_error(load_trust_store({tree.at("good"), tree.at("bad")}), ErrorCode::trust, row.why);
    check_error(load_trust_store({tree.at("bad"), tree.at("good")}), ErrorCode::trust, row.why);
    CHECK(load_trust_store({tree.at("good")}));
  }
}

TEST_CASE("revoking a key id revokes the public key, whatever it is called and wherever it lies") {
  if (!may_make_trust_directories()) return;
  const TempTree tree;
  tree.dir("vendor");
  tree.dir("admin");
  const PublicKey good = new_key();
  const PublicKey leaked = under_other_id(new_key(), 0x00000000000000AB);
  const PublicKey alias = under_other_id(leaked, 0x0123456789ABCDEF);
  const PublicKey same_id = under_other_id(new_key(), leaked.id.value);
  tree.file("vendor/good.pub", write_public_key(good));
  tree.file("vendor/leaked.pub", write_public_key(leaked));
  tree.file("vendor/copy.pub", write_public_key(leaked));
  tree.file("vendor/alias.pub", write_public_key(alias));
  tree.file("vendor/same-id.pub", write_public_key(same_id));

  TrustStore store = must(load_trust_store({tree.at("vendor"), tree.at("admin")}));
  CHECK(store.keys.size() == 5);
  CHECK(store.revoked.empty());

  // Comments, empty lines, white space behind and CRLF are for people; a key that nobody has may be revoked as well.
  for (const std::string text :
       {"00000000000000AB", "00000000000000AB\n", "00000000000000AB  \t\r\n", "# leaked\n\n00000000000000AB# in 2026\n",
        "FEDCBA9876543210\r\n00000000000000AB\n00000000000000AB\n"}) {
    CAPTURE(text);
    tree.file("admin/revoked", text);
    store = must(load_trust_store({tree.at("vendor"), tree.at("admin")}));
    CHECK((names(store.keys) == Names{"good"}));
    CHECK((names(store.revoked) == Names{"alias", "copy", "leaked", "same-id"}));
  }

  // By the other name as well.
  tree.file("admin/revoked", to_string(alias.id) + "\n");
  store = must(load_trust_store({tree.at("vendor"), tree.at("admin")}));
  CHECK((names(store.keys) == Names{"good", "same-id"}));
  CHECK((names(store.revoked) == Names{"alias", "copy", "leaked"}));
  const TrustPolicy policy = must(store.policy({}, 1));
  CHECK((policy.keys == std::vector{good, same_id}));
  CHECK((policy.revoked == std::vector{alias, leaked, leaked}));
}

TEST_CASE("a tree's names narrow the keys") {
  const PublicKey one = new_key();
  const PublicKey two = new_key();
  const PublicKey bad = new_key();
  const TrustStore store{{{"one", one}, {"two", two}, {"one", under_other_id(two, 7)}}, {{"bad", bad}}};
  CHECK((must(store.policy({}, 1)).keys == std::vector{one, two, under_other_id(two, 7)}));
  CHECK((must(store.policy({"two"}, 1)).keys == std::vector{two}));
  CHECK((must(store.policy({"one"}, 1)).keys == std::vector{one, under_other_id(two, 7)}));
  CHECK((must(store.policy({"two"}, 1)).revoked == std::vector{bad}));
  CHECK(must(store.policy({"one", "two"}, 2)).threshold == 2);
  // A name whose key was revoked is no mistake in the configuration: what the key signed is refused as revoked.
  CHECK(must(store.policy({"bad"}, 1)).keys.empty());
  CHECK((must(store.policy({"bad"}, 1)).revoked == std::vector{bad}));
  check_error(store.policy({"two", "three"}, 1), ErrorCode::trust, "no trust directory has a usable key 'three.pub'");
  check_error(store.policy({"two.pub"}, 1), ErrorCode::trust, "'two.pub.pub'");
  check_error(store.policy({"\x1b"}, 1), ErrorCode::trust, "'\\x1b.pub'");
}

TEST_CASE("a policy that could never be met is an error") {
  const PublicKey one = new_key();
  const PublicKey two = new_key();
  const TrustStore nothing;
  check_error(nothing.policy({}, 1), ErrorCode::trust, "no trusted key");
  check_error(nothing.policy({}, 0), ErrorCode::trust, "no trusted key");

  const TrustStore twins{{{"one", one}, {"alias", under_other_id(one, 7)}}, {}};
  CHECK(twins.policy({}, 1));
  check_error(twins.policy({}, 2), ErrorCode::trust, "threshold is 2 different keys, there are 1");

  const TrustStore pair{{{"one", one}, {"two", two}}, {}};
  CHECK(pair.policy({}, 2));
  check_error(pair.policy({"one"}, 2), ErrorCode::trust, "threshold is 2 different keys, there are 1");
  check_error(pair.policy({}, 3), ErrorCode::trust, "threshold is 3 different keys, there are 2");

  // With revoked keys the policy stands, so that what they signed is refused for that reason.
  const TrustStore revoked{{{"one", one}}, {{"two", two}}};
  CHECK(revoked.policy({}, 2));
  CHECK(revoked.policy({"one", "two"}, 2));
  check_error(revoked.policy({"one"}, 2), ErrorCode::trust, "threshold is 2 different keys, there are 1");
  check_error(revoked.policy({}, 3), ErrorCode::trust, "threshold is 3");
  CHECK(TrustStore{{}, {{"two", two}}}.policy({}, 1));
}

TEST_CASE("a key that a person names is read as it is") {
  const TempTree tree;
  const PublicKey key = new_key();
  tree.file("key.pub", write_public_key(key), 0666);
  tree.link("link.pub", "key.pub");
  CHECK(must(load_public_key(tree.at("key.pub"))) == key);
  CHECK(must(load_public_key(tree.at("link.pub"))) == key);

  tree.file("rubbish\n.pub", "rubbish");
  tree.file("huge.pub", std::string(4097, 'x'));
  tree.fifo("fifo.pub");
  check_error(load_public_key(tree.at("rubbish\n.pub")), ErrorCode::trust,
              "rubbish\\x0a.pub: not a minisign public key");
  check_error(load_public_key(tree.at("huge.pub")), ErrorCode::size, "huge.pub: larger than the limit of 4096 bytes");
  check_error(load_public_key(tree.at("fifo.pub")), ErrorCode::unreadable, "fifo.pub: not a regular file");
  check_error(load_public_key(tree.at("missing.pub")), ErrorCode::unreadable, "missing.pub: No such file");
}

TEST_CASE("looking for keys leaves no trace in access times") {
  if (!may_make_trust_directories()) return;
  const TempTree tree;
  tree.dir("trust.d");
  tree.file("trust.d/alice.pub", write_public_key(new_key()));
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  for (const char* name : {"trust.d/alice.pub", "trust.d"}) {
    REQUIRE(::utimensat(AT_FDCWD, tree.at(name).c_str(), old, 0) == 0);
  }
  CHECK(must(load_trust_store({tree.at("trust.d")})).keys.size() == 1);
  for (const char* name : {"trust.d/alice.pub", "trust.d"}) {
    CAPTURE(name);
    struct stat status {};
    REQUIRE(::stat(tree.at(name).c_str(), &status) == 0);
    CHECK(status.st_atim.tv_sec == 1'000'000'000);
  }
}

TEST_CASE("where descriptors run out that is what is told, and never that there are no keys") {
  if (!may_make_trust_directories()) return;
  const TempTree tree;
  tree.dir("trust.d");
  tree.file("trust.d/alice.pub", write_public_key(new_key()));
  CHECK(driftd::test::in_child([&]() -> std::string {
          const int next = ::dup(STDIN_FILENO);
          ::close(next);
          rlimit limit{};
          if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return "no limit";
          for (rlim_t free = 0; free < 2; ++free) {
            limit.rlim_cur = static_cast<rlim_t>(next) + free;
            if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return "no limit";
            const auto store = load_trust_store({tree.at("trust.d")});
            if (store) return "there are keys";
            if (store.error().message.find("Too many open files") == std::string::npos) return store.error().message;
          }
          return "";
        }) == "");
}
