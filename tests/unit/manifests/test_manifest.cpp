#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/manifest.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/random_tree.hpp"

using driftd::manifests::Digest;
using driftd::manifests::Entry;
using driftd::manifests::EntryIndex;
using driftd::manifests::EntryType;
using driftd::manifests::ErrorCode;
using driftd::manifests::Glob;
using driftd::manifests::Header;
using driftd::manifests::is_product_name;
using driftd::manifests::KeepDigests;
using driftd::manifests::kRootEntry;
using driftd::manifests::Manifest;
using driftd::manifests::ManifestBuilder;
using driftd::manifests::Result;
using driftd::test::check_error;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::FlatEntry;
using driftd::test::header_of;
using driftd::test::ignored_dir_entry;
using driftd::test::link_entry;
using driftd::test::listed;
using driftd::test::ListedEntry;
using driftd::test::must;
using driftd::test::optional_entry;
using driftd::test::Random;
using driftd::test::random_tree;

namespace {

Result<Manifest> build(const std::vector<ListedEntry>& entries, Header header = header_of(),
                       KeepDigests keep = KeepDigests::all) {
  ManifestBuilder builder(std::move(header), keep);
  for (const auto& [path, entry] : entries) {
    if (auto added = builder.add(path, entry); !added) return added.error();
  }
  return std::move(builder).finish();
}

Result<Manifest> build_below_root(std::vector<ListedEntry> entries) {
  entries.insert(entries.begin(), {".", dir_entry()});
  return build(entries);
}

Entry with(Entry entry, const std::function<void(Entry&)>& change) {
  change(entry);
  return entry;
}

}  // namespace

TEST_CASE("a product name is 1 to 64 of A-Za-z0-9._-") {
  for (const std::string& good : {std::string("a"), std::string("My_app-2.0"), std::string(64, 'x')}) {
    CAPTURE(good);
    CHECK(is_product_name(good));
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    CAPTURE(byte);
    CHECK(is_product_name(std::string("a") + c) == (kAllowed.find(c) != std::string_view::npos));
  }
  CHECK_FALSE(is_product_name(""));
  CHECK_FALSE(is_product_name(std::string(65, 'x')));
}

TEST_CASE("a manifest answers for every entry of any tree") {
  Random random(10);
  std::size_t entries = 0;
  for (int round = 0; round < 150; ++round) {
    const std::vector<FlatEntry> flat = random_tree(random);
    const Manifest manifest = must(build(listed(flat)));
    REQUIRE(manifest.size() == flat.size());
    entries += flat.size();
    for (EntryIndex index = 0; index < manifest.size(); ++index) {
      const FlatEntry& expected = flat[index];
      CAPTURE(expected.path);
      CHECK((manifest.path(index) == expected.path));
      CHECK((manifest.name(index) == expected.path.substr(expected.path.rfind('/') + 1)));
      CHECK(manifest.parent(index) == expected.parent);
      CHECK(manifest.subtree_end(index) == expected.end);
      CHECK((manifest.entry(index) == expected.entry));
      CHECK(manifest.find(expected.path) == index);
      const auto children = manifest.children(index);
      CHECK(std::equal(children.begin(), children.end(), expected.children.begin(), expected.children.end()));
      for (const EntryIndex child : children) CHECK(manifest.find_child(index, manifest.name(child)) == child);
      for (const char* other : {"", "0", "a.", "zzz", "\xff\xff"}) {
        CHECK_FALSE(manifest.find_child(index, other));
        const std::string below = expected.path.empty() ? other : expected.path + "/" + other;
        if (*other != '\0') CHECK_FALSE(manifest.find(below));
      }
    }
  }
  CHECK(entries > 2000);
}

TEST_CASE("the builder takes one order only") {
  Random random(11);
  int swapped = 0;
  int orphaned = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<FlatEntry> flat = random_tree(random);
    for (std::size_t at = 1; at < flat.size(); ++at) {
      CAPTURE(flat[at].path);
      std::vector<ListedEntry> entries = listed(flat);
      if (at + 1 < entries.size()) {
        std::swap(entries[at], entries[at + 1]);
        CHECK_FALSE(build(entries));
        std::swap(entries[at], entries[at + 1]);
        ++swapped;
      }
      entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(at), entries[at]);
      CHECK_FALSE(build(entries));
      if (!flat[at].children.empty()) {
        entries = listed(flat);
        entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
        check_error(build(entries), ErrorCode::format, "directory is missing");
        ++orphaned;
      }
    }
  }
  CHECK(swapped > 500);
  CHECK(orphaned > 50);
}

TEST_CASE("the builder refuses what is no list of a tree") {
  struct Row {
    std::string name;
    std::vector<ListedEntry> entries;
    std::string why;
  };
  const Entry file = file_entry("x");
  const Entry dir = dir_entry();
  const std::vector<Row> table = {
      {"nothing at all", {}, "without entries"},
      {"no root", {{"a", file}}, "must be the root"},
      {"an empty path for the root", {{"", dir}}, "must be the root"},
      {"a root that is a file", {{".", file}}, "root must be a directory"},
      {"a root that is a link", {{".", link_entry("x")}}, "root must be a directory"},
      {"a root that is ignored", {{".", ignored_dir_entry()}}, "root must be a directory"},
      {"a root that may be absent",
       {{".", with(dir, [](Entry& e) { e.optional = true; })}},
       "root must be a directory"},
      {"the root twice", {{".", dir}, {".", dir}}, "stands twice"},
      {"the root again, later", {{".", dir}, {"a", file}, {".", dir}}, "stands twice"},
      {"an entry twice", {{".", dir}, {"a", file}, {"a", file}}, "stands twice"},
      {"a file and a directory of one name", {{".", dir}, {"a", file}, {"a", dir}}, "stands twice"},
      {"siblings out of order", {{".", dir}, {"b", file}, {"a", file}}, "wrong order"},
      {"order by signed bytes", {{".", dir}, {"\xff", file}, {"a", file}}, "wrong order"},
      {"order by whole paths", {{".", dir}, {"a", dir}, {"a-", file}, {"a/b", file}}, "wrong order"},
      {"a directory again after it was left", {{".", dir}, {"a", dir}, {"b", file}, {"a/c", file}}, "wrong order"},
      {"a parent that is missing", {{".", dir}, {"a/b", file}}, "directory is missing"},
      {"a parent that comes later", {{".", dir}, {"a/b", file}, {"a", dir}}, "directory is missing"},
      {"a grandparent only", {{".", dir}, {"a", dir}, {"a/b/c", file}}, "directory is missing"},
      {"below a file", {{".", dir}, {"a", file}, {"a/b", file}}, "directory is missing"},
      {"below a link", {{".", dir}, {"a", link_entry("c")}, {"a/b", file}}, "directory is missing"},
      {"below an ignored directory", {{".", dir}, {"a", ignored_dir_entry()}, {"a/b", file}}, "ignored"},
      {"below a name that starts like a directory", {{".", dir}, {"a", dir}, {"ab/c", file}}, "directory is missing"},
      {"below the start of a directory's name", {{".", dir}, {"ab", dir}, {"a/c", file}}, "directory is missing"},
  };
  for (const Row& row : table) {
    CAPTURE(row.name);
    check_error(build(row.entries), ErrorCode::format, row.why);
  }
}

TEST_CASE("the builder refuses paths that no tree has") {
  const Entry dir = dir_entry();
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("/a"), std::string("//a"), std::string("a/"), std::string("a//b"),
        std::string("./a"), std::string("a/."), std::string("a/.."), std::string(".."), std::string("../a"),
        std::string("a/./b"), std::string("a/../b"), std::string("a\0b", 3), std::string("a/\0", 3),
        std::string(256, 'x'), "a/" + std::string(256, 'x')}) {
    CAPTURE(path);
    CHECK_FALSE(build({{".", dir}, {"a", dir}, {path, file_entry("x")}}));
    CHECK_FALSE(build({{".", dir}, {"a", dir}, {path, dir}}));
    CHECK_FALSE(build({{".", dir}, {path, dir}}));
  }
  CHECK(build({{".", dir}, {std::string(255, 'x'), file_entry("x")}}));
}

TEST_CASE("a path may have 4096 bytes and no more") {
  std::vector<ListedEntry> entries = {{".", dir_entry()}};
  std::string path;
  for (int depth = 0; depth < 15; ++depth) {
    path += (depth > 0 ? "/" : "") + std::string(255, 'd');
    entries.emplace_back(path, dir_entry());
  }
  path += "/" + std::string(254, 'd');
  entries.emplace_back(path, dir_entry());
  REQUIRE(path.size() == 4094);
  entries.emplace_back(path + "/f", file_entry("x"));
  const Manifest manifest = must(build(entries));
  CHECK(manifest.path(manifest.size() - 1) == path + "/f");
  CHECK(manifest.find(path + "/f") == manifest.size() - 1);

  entries.back().first += "f";
  check_error(build(entries), ErrorCode::format, "longer than 4096 bytes");
}

TEST_CASE("the builder refuses attributes that contradict each other") {
  struct Row {
    std::string why;
    Entry entry;
  };
  const Entry file = file_entry("x");
  const Entry bare = optional_entry();
  const Entry dir = dir_entry();
  const Entry link = link_entry("target");
  const Digest digest = *file.blake3;
  const std::vector<Row> refused = {
      {"only a file has a size or a digest", with(dir, [](Entry& e) { e.size = 0; })},
      {"only a file has a size or a digest", with(dir, [&](Entry& e) { e.blake3 = digest; })},
      {"only a file has a size or a digest", with(dir, [&](Entry& e) { e.sha256 = digest; })},
      {"only a file has a size or a digest", with(link, [](Entry& e) { e.size = 6; })},
      {"only a file has a size or a digest", with(link, [&](Entry& e) { e.blake3 = digest; })},
      {"link target and type=link", with(file, [](Entry& e) { e.attributes.link = "x"; })},
      {"link target and type=link", with(dir, [](Entry& e) { e.attributes.link = "x"; })},
      {"link target and type=link", with(link, [](Entry& e) { e.attributes.link.reset(); })},
      {"a link target is", with(link, [](Entry& e) { e.attributes.link = ""; })},
      {"a link target is", with(link, [](Entry& e) { e.attributes.link = std::string("a\0b", 3); })},
      {"symlink has no mode", with(link, [](Entry& e) { e.attributes.mode = 0777; })},
      {"anyexec is for files without a mode", with(dir, [](Entry& e) { e.any_exec = true; })},
      {"anyexec is for files without a mode", with(link, [](Entry& e) { e.any_exec = true; })},
      {"anyexec is for files without a mode",
       with(file, [](Entry& e) { e.any_exec = true, e.attributes.mode = 0755; })},
      {"anyexec is for files without a mode", with(file, [](Entry& e) { e.any_exec = e.executable = true; })},
      {"exec is for files without a mode", with(dir, [](Entry& e) { e.executable = true; })},
      {"exec is for files without a mode", with(link, [](Entry& e) { e.executable = true; })},
      {"exec is for files without a mode", with(file, [](Entry& e) { e.executable = true, e.attributes.mode = 0755; })},
      {"only a file has a capability", with(dir, [](Entry& e) { e.attributes.capability = "12345678901234567890"; })},
      {"only a file has a capability", with(link, [](Entry& e) { e.attributes.capability = "12345678901234567890"; })},
      {"a capability has", with(file, [](Entry& e) { e.attributes.capability = ""; })},
      {"a capability has", with(file, [](Entry& e) { e.attributes.capability = std::string(65, 'c'); })},
      {"symlink has no ACL", with(link, [&](Entry& e) { e.attributes.acl = digest; })},
      {"only a directory can be ignored", with(file, [](Entry& e) { e.ignore = true; })},
      {"only a directory can be ignored", with(link, [](Entry& e) { e.ignore = true; })},
      {"uname and uid exclude each other",
       with(file, [](Entry& e) { e.attributes.uname = "root", e.attributes.uid = 0; })},
      {"gname and gid exclude each other",
       with(file, [](Entry& e) { e.attributes.gname = "root", e.attributes.gid = 0; })},
      {"bits beyond 07777", with(file, [](Entry& e) { e.attributes.mode = 010000; })},
      {"bits beyond 07777", with(dir, [](Entry& e) { e.attributes.mode = 0xffffffff; })},
      {"a user or group name is", with(file, [](Entry& e) { e.attributes.uname = ""; })},
      {"a user or group name is", with(file, [](Entry& e) { e.attributes.uname = "root gid=0"; })},
      {"a user or group name is", with(file, [](Entry& e) { e.attributes.gname = "a\n./b type=dir"; })},
      {"a user or group name is", with(file, [](Entry& e) { e.attributes.gname = "\xc3\xa9"; })},
  };
  for (const Row& row : refused) {
    CAPTURE(row.why);
    check_error(build_below_root({{"a", row.entry}}), ErrorCode::format, row.why);
  }

  const std::vector<Entry> taken = {
      bare,
      link,
      with(bare, [](Entry& e) { e.size = 0; }),
      with(bare, [](Entry& e) { e.executable = true; }),
      with(bare, [](Entry& e) { e.any_exec = true; }),
      with(file, [](Entry& e) { e.optional = true; }),
      with(file, [](Entry& e) { e.attributes.mode = 07777; }),
      with(file, [](Entry& e) { e.attributes.uname = "www-data", e.attributes.gid = 0xffffffff; }),
      with(file, [](Entry& e) { e.attributes.uid = 0, e.attributes.gname = "a.b_c-D9$"; }),
      with(file, [](Entry& e) { e.attributes.capability = std::string(64, '\0'); }),
      with(dir, [&](Entry& e) { e.attributes.mode = 01777, e.attributes.acl = digest; }),
      with(dir, [](Entry& e) { e.ignore = true, e.optional = true, e.attributes.mode = 0; }),
      with(link, [](Entry& e) { e.attributes.uname = "root", e.optional = true; }),
      with(link, [](Entry& e) { e.attributes.link = "/../\xff\n"; }),
  };
  for (std::size_t at = 0; at < taken.size(); ++at) {
    CAPTURE(at);
    const auto manifest = build_below_root({{"a", taken[at]}});
    REQUIRE(manifest);
    CHECK((manifest->entry(1) == taken[at]));
  }
}

TEST_CASE("the builder refuses a header that could not be written") {
  struct Row {
    std::string why;
    std::function<void(Header&)> spoil;
  };
  const auto globs = [](Header& header, std::size_t count) {
    header.mutable_globs.assign(count, must(Glob::parse("var/**")));
  };
  const std::vector<Row> refused = {
      {"a name is", [](Header& h) { h.name = ""; }},
      {"a name is", [](Header& h) { h.name = "my app"; }},
      {"release is printable ASCII", [](Header& h) { h.release = ""; }},
      {"release is printable ASCII", [](Header& h) { h.release = "v1\n#sequence: 2"; }},
      {"release is printable ASCII", [](Header& h) { h.release = "caf\xc3\xa9"; }},
      {"source is printable ASCII", [](Header& h) { h.source = "x\r"; }},
      {"artifact is printable ASCII", [](Header& h) { h.artifact = "\x7f"; }},
      {"pipeline is printable ASCII", [](Header& h) { h.pipeline = "x\n#label: env=production"; }},
      {"override is printable ASCII",
       [](Header& h) {
         h.overrides = {"fine", "x\n#mutable: app/**"};
       }},
      {"override is printable ASCII", [](Header& h) { h.overrides = {""}; }},
      {"label is KEY=VALUE",
       [](Header& h) {
         h.labels = {{"", "x"}};
       }},
      {"label is KEY=VALUE",
       [](Header& h) {
         h.labels = {{"a=b", "x"}};
       }},
      {"label is printable ASCII",
       [](Header& h) {
         h.labels = {{"env", "x\n#mutable: app/**"}};
       }},
      {"label is printable ASCII",
       [](Header& h) {
         h.labels = {{"e\tnv", "x"}};
       }},
      {"years 1970 to 9999", [](Header& h) { h.created = -1; }},
      {"years 1970 to 9999", [](Header& h) { h.created = 253'402'300'800; }},
      {"years 1970 to 9999", [](Header& h) { h.expires = 253'402'300'800; }},
      {"more than 1000 mutable rules", [&](Header& h) { globs(h, 1001); }},
  };
  for (const Row& row : refused) {
    CAPTURE(row.why);
    Header header = header_of();
    row.spoil(header);
    check_error(build({{".", dir_entry()}}, header), ErrorCode::format, row.why);
  }

  Header header = header_of(" ~");
  header.name = std::string(64, '.');
  header.sequence = ~std::uint64_t{0};
  header.created = 0;
  header.expires = 253'402'300'799;
  header.overrides = {"x", "x"};
  header.labels = {{"a", ""}, {"a", "b=c"}};
  globs(header, 1000);
  CHECK(build({{".", dir_entry()}}, header));
}

TEST_CASE("a host keeps one digest of each file, the release tool both") {
  const Entry both = file_entry("both");
  const Entry only_blake3 = with(both, [](Entry& e) { e.sha256.reset(); });
  const Entry only_sha256 = with(both, [](Entry& e) { e.blake3.reset(); });
  const std::vector<ListedEntry> entries = {
      {".", dir_entry()}, {"a", both}, {"b", only_sha256}, {"c", only_blake3}, {"d", optional_entry()}, {"e", both}};

  const Manifest all = must(build(entries));
  for (EntryIndex index = 0; index < all.size(); ++index) CHECK((all.entry(index) == entries[index].second));

  const Manifest one = must(build(entries, header_of(), KeepDigests::one));
  CHECK(one.blake3(kRootEntry) == nullptr);
  CHECK(one.sha256(kRootEntry) == nullptr);
  CHECK((one.entry(1) == only_blake3));
  CHECK((one.entry(2) == only_sha256));
  CHECK((one.entry(3) == only_blake3));
  CHECK((one.entry(4) == optional_entry()));
  CHECK((one.entry(5) == only_blake3));
}

TEST_CASE("mutable rules are asked one after the other") {
  const Manifest manifest =
      must(build({{".", dir_entry()}}, driftd::test::with_globs(header_of(), {"var/cache/**", "**/__pycache__/**"})));
  CHECK(manifest.is_mutable("var/cache/x"));
  CHECK(manifest.is_mutable("app/__pycache__/x.pyc"));
  CHECK_FALSE(manifest.is_mutable("var/lib/x"));
  CHECK_FALSE(manifest.is_mutable(""));
}
