#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/compare.hpp"
#include "tests/unit/support/make_release.hpp"

using namespace driftd::scanner;
using driftd::manifests::Entry;
using driftd::manifests::EntryType;
using driftd::manifests::Manifest;
using driftd::test::blake3_of;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::link_entry;
using driftd::test::sha256_of;

namespace {

const Accounts& accounts() {
  static const Accounts known = Accounts::parse("root:x:0:0::/:\nweb:x:33:33::/:\n", "root:x:0:\nwww:x:33:\n");
  return known;
}

/// What agrees with an entry that records nothing but its content.
Observed seen_file(const std::string& content = "hello") {
  Observed seen;
  seen.type = FileType::file;
  seen.mode = 0644;
  seen.uid = 33;
  seen.gid = 33;
  seen.size = content.size();
  seen.changed_at = 1'763'719'300;
  seen.blake3 = blake3_of(content);
  return seen;
}

Observed seen_dir() {
  Observed seen;
  seen.type = FileType::directory;
  seen.mode = 0755;
  seen.size = 4096;
  return seen;
}

Observed seen_link(const std::string& target) {
  Observed seen;
  seen.type = FileType::symlink;
  seen.mode = 0777;
  seen.size = target.size();
  seen.target = target;
  return seen;
}

std::optional<Finding> judge(const Entry& entry, const Observed& seen) {
  const Manifest manifest = driftd::test::build_manifest({{"x", entry}});
  return compare(manifest, 1, seen, accounts());
}

/// `kind: change, change`, or `agrees`.
std::string verdict(const std::optional<Finding>& finding) {
  if (!finding) return "agrees";
  std::string text(to_string(finding->kind));
  for (const Change change : kAllChanges) {
    if (finding->changes.has(change))
      text.append(text.find(':') == std::string::npos ? ": " : ", ").append(to_string(change));
  }
  return text;
}

template <class Value>
Value with(Value value, const std::function<void(Value&)>& change) {
  change(value);
  return value;
}
Entry entry_with(Entry entry, const std::function<void(Entry&)>& change) { return with(std::move(entry), change); }
Observed seen_with(Observed seen, const std::function<void(Observed&)>& change) {
  return with(std::move(seen), change);
}

struct Case {
  const char* what;
  Entry entry;
  Observed seen;
  const char* verdict;
};

void check_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    CAPTURE(one.what);
    CHECK(verdict(judge(one.entry, one.seen)) == one.verdict);
  }
}

}  // namespace

TEST_CASE("what stands there is of the listed type") {
  std::vector<Case> cases;
  for (const FileType type : {FileType::file, FileType::directory, FileType::symlink, FileType::fifo, FileType::socket,
                              FileType::character_device, FileType::block_device}) {
    // Everything else about it is wrong too, but type is what decides.
    const Observed seen = seen_with(seen_file("other"), [&](Observed& one) {
      one.type = type;
      one.mode = 06777;
      one.capability = "x";
    });
    if (type != FileType::file) cases.push_back({"not a file", file_entry("hello"), seen, "type: type"});
    if (type != FileType::directory) cases.push_back({"not a directory", dir_entry(), seen, "type: type"});
    if (type != FileType::symlink) cases.push_back({"not a link", link_entry("t"), seen, "type: type"});
  }
  cases.push_back({"a directory", dir_entry(), seen_dir(), "agrees"});
  cases.push_back({"a link", link_entry("t"), seen_link("t"), "agrees"});
  cases.push_back({"a file", file_entry("hello"), seen_file(), "agrees"});
  check_all(cases);
}

TEST_CASE("content: size first, then the digest that decides") {
  const Entry both = file_entry("hello");
  const Entry sha256_only = entry_with(both, [](Entry& one) { one.blake3.reset(); });
  const Entry blake3_only = entry_with(both, [](Entry& one) { one.sha256.reset(); });
  const Entry size_only = entry_with(both, [](Entry& one) { one.blake3.reset(), one.sha256.reset(); });
  const Entry nothing = entry_with(size_only, [](Entry& one) { one.size.reset(); });
  const Observed without_digest = seen_with(seen_file("hello, world"), [](Observed& one) { one.blake3.reset(); });
  const auto by_sha256 = [](const std::string& content) {
    return seen_with(seen_file(content), [&](Observed& one) { one.blake3.reset(), one.sha256 = sha256_of(content); });
  };
  check_all({
      {"same", both, seen_file(), "agrees"},
      {"same size, other content", both, seen_file("hellO"), "modified: content"},
      {"other size, not read", both, without_digest, "modified: content, size"},
      {"right size, not read", both, seen_with(seen_file(), [](Observed& one) { one.blake3.reset(); }),
       "modified: content"},
      {"BLAKE3 decides", both, seen_with(seen_file(), [](Observed& one) { one.sha256 = sha256_of("x"); }), "agrees"},
      {"BLAKE3 alone", blake3_only, seen_file("hellO"), "modified: content"},
      {"SHA-256 alone, same", sha256_only, by_sha256("hello"), "agrees"},
      {"SHA-256 alone, other", sha256_only, by_sha256("hellO"), "modified: content"},
      {"SHA-256 alone, a BLAKE3 is no help", sha256_only, seen_file(), "modified: content"},
      {"only a size, same", size_only, seen_file("HELLO"), "agrees"},
      {"only a size, other", size_only, seen_file("hell"), "modified: size"},
      {"any content", nothing, seen_file("whatever"), "agrees"},
  });
}

TEST_CASE("a link's target, byte by byte; its mode and size mean nothing") {
  const std::string hostile("a\n\xff\x1b");
  check_all({
      {"same", link_entry(hostile), seen_link(hostile), "agrees"},
      {"other", link_entry("releases/103"), seen_link("releases/102"), "target: target"},
      {"trailing slash", link_entry("a"), seen_link("a/"), "target: target"},
      {"mode", link_entry("a"), seen_with(seen_link("a"), [](Observed& one) { one.mode = 06777; }), "agrees"},
  });
}

TEST_CASE("without a recorded mode: owner-execute agrees, and nothing grants what it must not") {
  struct Mode {
    std::uint32_t mode;
    const char* plain;
    const char* executable;
    const char* directory;
  };
  for (const Mode& one : {
           Mode{0644, "agrees", "metadata: mode", "agrees"},
           Mode{0600, "agrees", "metadata: mode", "agrees"},
           Mode{0000, "agrees", "metadata: mode", "agrees"},
           Mode{0664, "agrees", "metadata: mode", "agrees"},
           Mode{0755, "metadata: mode", "agrees", "agrees"},
           Mode{0100, "metadata: mode", "agrees", "agrees"},
           Mode{0611, "agrees", "metadata: mode", "agrees"},  // the owner's bit alone counts
           Mode{01755, "metadata: mode", "agrees", "agrees"},
           Mode{04755, "metadata: mode", "metadata: mode", "metadata: mode"},
           Mode{02755, "metadata: mode", "metadata: mode", "metadata: mode"},
           Mode{0646, "metadata: mode", "metadata: mode", "metadata: mode"},
           Mode{0757, "metadata: mode", "metadata: mode", "metadata: mode"},
           Mode{01777, "metadata: mode", "metadata: mode", "metadata: mode"},
       }) {
    CAPTURE(one.mode);
    const auto with_mode = [&](Observed& seen) { seen.mode = one.mode; };
    CHECK(verdict(judge(file_entry("hello"), seen_with(seen_file(), with_mode))) == one.plain);
    CHECK(verdict(judge(file_entry("hello", true), seen_with(seen_file(), with_mode))) == one.executable);
    CHECK(verdict(judge(dir_entry(), seen_with(seen_dir(), with_mode))) == one.directory);
  }
}

TEST_CASE("where owner-execute is not checked, what grants too much still is") {
  const Entry any = entry_with(file_entry("hello"), [](Entry& one) { one.any_exec = true; });
  for (const std::uint32_t mode : {0U, 0644U, 0755U, 0100U, 0664U}) {
    CAPTURE(mode);
    CHECK(verdict(judge(any, seen_with(seen_file(), [&](Observed& seen) { seen.mode = mode; }))) == "agrees");
  }
  for (const std::uint32_t mode : {04755U, 02644U, 0646U, 0777U}) {
    CAPTURE(mode);
    const auto finding = judge(any, seen_with(seen_file(), [&](Observed& seen) { seen.mode = mode; }));
    CHECK(verdict(finding) == "metadata: mode");
    // Neither side says `executable`, so that no report calls it the difference.
    CHECK((finding && !finding->expected.unpack().executable && !finding->actual.unpack().executable));
  }
}

TEST_CASE("a recorded mode is checked exactly, and is all that is said of it") {
  for (const std::uint32_t recorded : {0U, 0644U, 0755U, 04755U, 06777U, 01777U}) {
    for (const std::uint32_t actual : {0U, 0644U, 0755U, 04755U, 06777U, 01777U, 0645U}) {
      CAPTURE(recorded);
      CAPTURE(actual);
      const auto record = [&](Entry& one) { one.attributes.mode = recorded; };
      const auto with_mode = [&](Observed& seen) { seen.mode = actual; };
      const std::string expected = recorded == actual ? "agrees" : "metadata: mode";
      CHECK(verdict(judge(entry_with(file_entry("hello"), record), seen_with(seen_file(), with_mode))) == expected);
      CHECK(verdict(judge(entry_with(dir_entry(), record), seen_with(seen_dir(), with_mode))) == expected);
    }
  }
}

TEST_CASE("owners by name, by number, or not at all") {
  const auto owned = [](std::uint32_t uid, std::uint32_t gid) {
    return seen_with(seen_file(), [&](Observed& one) { one.uid = uid, one.gid = gid; });
  };
  const auto named = [](const char* user, const char* group) {
    return entry_with(file_entry("hello"),
                      [&](Entry& one) { one.attributes.uname = user, one.attributes.gname = group; });
  };
  const auto numbered = [](std::uint32_t uid, std::uint32_t gid) {
    return entry_with(file_entry("hello"), [&](Entry& one) { one.attributes.uid = uid, one.attributes.gid = gid; });
  };
  check_all({
      {"not recorded", file_entry("hello"), owned(4711, 4711), "agrees"},
      {"by name", named("web", "www"), owned(33, 33), "agrees"},
      {"root", named("root", "root"), owned(0, 0), "agrees"},
      {"other user", named("web", "www"), owned(0, 33), "metadata: owner"},
      {"other group", named("web", "www"), owned(33, 0), "metadata: group"},
      {"both", named("web", "www"), owned(0, 0), "metadata: owner, group"},
      {"a name unknown here is nobody's, not root's", named("ghost", "www"), owned(0, 33), "metadata: owner"},
      {"nor anybody else's", named("web", "ghost"), owned(33, 4711), "metadata: group"},
      {"users are no groups", named("www", "web"), owned(33, 33), "metadata: owner, group"},
      {"by number", numbered(4711, 4712), owned(4711, 4712), "agrees"},
      {"other numbers", numbered(0, 0), owned(1, 2), "metadata: owner, group"},
  });
  const Entry link = entry_with(link_entry("t"), [](Entry& one) { one.attributes.uname = "web"; });
  CHECK(verdict(judge(link, seen_link("t"))) == "metadata: owner");
}

TEST_CASE("a capability or an ACL is there exactly where it is recorded") {
  const auto acl = blake3_of("acl");
  const auto set = [&](Observed& one) { one.capability = std::string("\1\0\0\2", 4), one.acl = acl; };
  const Entry recorded = entry_with(file_entry("hello"), [&](Entry& one) {
    one.attributes.capability = std::string("\1\0\0\2", 4);
    one.attributes.acl = acl;
  });
  const Entry directory = entry_with(dir_entry(), [&](Entry& one) { one.attributes.acl = acl; });
  check_all({
      {"neither", file_entry("hello"), seen_file(), "agrees"},
      {"both recorded", recorded, seen_with(seen_file(), set), "agrees"},
      {"both new", file_entry("hello"), seen_with(seen_file(), set), "metadata: capability, acl"},
      {"both gone", recorded, seen_file(), "metadata: capability, acl"},
      {"an empty capability is one", file_entry("hello"),
       seen_with(seen_file(), [](Observed& one) { one.capability = ""; }), "metadata: capability"},
      {"other capability", recorded, seen_with(seen_file(), [&](Observed& one) { set(one), one.capability = "x"; }),
       "metadata: capability"},
      {"other ACL", recorded, seen_with(seen_file(), [&](Observed& one) { set(one), one.acl = blake3_of("x"); }),
       "metadata: acl"},
      {"directory", directory, seen_with(seen_dir(), [&](Observed& one) { one.acl = acl; }), "agrees"},
      {"directory, new", dir_entry(), seen_with(seen_dir(), [&](Observed& one) { one.acl = acl; }), "metadata: acl"},
  });
}

TEST_CASE("one finding a path: the gravest kind, and all changes") {
  const Entry entry = entry_with(file_entry("hello"), [](Entry& one) { one.attributes.uid = 0; });
  const auto worse = [](Observed& one) {
    one.mode = 04777, one.gid = 1, one.capability = "x", one.acl = blake3_of("x");
  };
  CHECK(verdict(judge(entry, seen_with(seen_file("hi"), worse))) ==
        "modified: content, size, mode, owner, capability, acl");
  CHECK(verdict(judge(entry, seen_with(seen_file(), worse))) == "metadata: mode, owner, capability, acl");
  const Entry link = entry_with(link_entry("t"), [](Entry& one) { one.attributes.uid = 1; });
  CHECK(verdict(judge(link, seen_link("u"))) == "target: target, owner");
}

TEST_CASE("a finding tells both sides") {
  const Entry entry = entry_with(file_entry("hello", true), [](Entry& one) { one.attributes.uname = "web"; });
  const auto finding = judge(entry, seen_with(seen_file("hellO"), [](Observed& one) { one.uid = 0; }));
  REQUIRE(finding);
  CHECK(finding->path.empty());
  CHECK(finding->changed_at == 1'763'719'300);
  CHECK(finding->expected.unpack().type == FileType::file);
  CHECK(finding->expected.unpack().size == 5);
  CHECK(finding->expected.unpack().blake3 == blake3_of("hello"));
  CHECK(finding->expected.unpack().sha256 == sha256_of("hello"));
  CHECK(finding->expected.unpack().executable == true);
  CHECK_FALSE(finding->expected.unpack().mode);
  CHECK(finding->expected.unpack().owner == "web");
  CHECK_FALSE(finding->expected.unpack().group);
  CHECK(finding->actual.unpack().blake3 == blake3_of("hellO"));
  CHECK_FALSE(finding->actual.unpack().sha256);
  CHECK(finding->actual.unpack().mode == 0644);
  CHECK(finding->actual.unpack().executable == false);
  CHECK(finding->actual.unpack().owner == "root");  // by name, since the manifest names it
  CHECK(finding->actual.unpack().group == "33");
  CHECK_FALSE(finding->actual.unpack().target);
}

TEST_CASE("on a mutable path anything may be but a way to more privilege") {
  const auto typed = [](FileType type, std::uint32_t mode) {
    return seen_with(seen_file(), [&](Observed& one) { one.type = type, one.mode = mode; });
  };
  const std::vector<std::pair<Observed, std::string>> cases{
      {typed(FileType::file, 0666), "agrees"},
      {typed(FileType::file, 01777), "agrees"},
      {typed(FileType::file, 04644), "added: mode"},
      {typed(FileType::file, 02755), "added: mode"},
      {typed(FileType::directory, 02775), "agrees"},
      {typed(FileType::symlink, 0777), "agrees"},
      {typed(FileType::fifo, 0666), "agrees"},
      {typed(FileType::socket, 0777), "agrees"},
      {typed(FileType::character_device, 0600), "added: type"},
      {typed(FileType::block_device, 0600), "added: type"},
      {seen_with(seen_file(), [](Observed& one) { one.capability = "x"; }), "added: capability"},
      {seen_with(seen_file(), [](Observed& one) { one.acl = blake3_of("x"); }), "agrees"},
      {seen_with(typed(FileType::file, 06755), [](Observed& one) { one.capability = "x"; }), "added: mode, capability"},
  };
  for (const auto& [seen, expected] : cases) {
    CAPTURE(to_string(seen.type));
    CAPTURE(seen.mode);
    CHECK(verdict(judge_mutable(seen)) == expected);
  }
}

TEST_CASE("what is added shows what it is") {
  const Finding finding = added(seen_link("elsewhere"));
  CHECK(finding.kind == DriftKind::added);
  CHECK(finding.changes.empty());
  CHECK(finding.expected == Facts{});
  CHECK(finding.actual.unpack().type == FileType::symlink);
  CHECK(finding.actual.unpack().target == "elsewhere");
  CHECK_FALSE(finding.actual.unpack().mode);
  CHECK_FALSE(finding.actual.unpack().size);
}

TEST_CASE("what is missing counts what was below it, and names the first") {
  driftd::test::Entries entries{{"d", dir_entry()}, {"e", file_entry("x")}};
  for (int i = 10; i < 25; ++i) entries["d/" + std::to_string(i)] = file_entry("x");
  const Manifest manifest = driftd::test::build_manifest(entries);
  const Finding finding = missing(manifest, *manifest.find("d"));
  CHECK(finding.kind == DriftKind::missing);
  CHECK(finding.expected.unpack().type == FileType::directory);
  CHECK(finding.actual == Facts{});
  CHECK_FALSE(finding.changed_at);
  CHECK(finding.below == 15);
  REQUIRE(finding.first_below.size() == Finding::kFirstBelow);
  CHECK(finding.first_below.front() == "d/10");
  CHECK(finding.first_below.back() == "d/19");
  CHECK(missing(manifest, *manifest.find("e")).below == 0);
  CHECK(missing(manifest, *manifest.find("e")).first_below.empty());
}

TEST_CASE("every kind, change, reason and type has a name of its own") {
  std::set<std::string_view> names;
  for (const DriftKind kind : kAllDriftKinds) names.insert(to_string(kind));
  CHECK(names.size() == kAllDriftKinds.size());
  names.clear();
  for (const Change change : kAllChanges) names.insert(to_string(change));
  CHECK(names.size() == kAllChanges.size());
  names.clear();
  for (const UnverifiedReason reason : kAllUnverifiedReasons) names.insert(to_string(reason));
  CHECK(names.size() == kAllUnverifiedReasons.size());
}
