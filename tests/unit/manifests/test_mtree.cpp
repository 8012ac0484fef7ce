#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/mtree.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/manifest_text.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/mutations.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/random_tree.hpp"

using driftd::manifests::Entry;
using driftd::manifests::EntryIndex;
using driftd::manifests::EntryType;
using driftd::manifests::ErrorCode;
using driftd::manifests::Glob;
using driftd::manifests::Header;
using driftd::manifests::KeepDigests;
using driftd::manifests::kMaxHeaderSize;
using driftd::manifests::Manifest;
using driftd::manifests::ManifestBuilder;
using driftd::manifests::parse_hex;
using driftd::manifests::read_manifest;
using driftd::manifests::ReadManifest;
using driftd::manifests::to_hex;
using driftd::manifests::write_manifest;
using driftd::test::blake3_of;
using driftd::test::build_manifest;
using driftd::test::check_error;
using driftd::test::dir_entry;
using driftd::test::Entries;
using driftd::test::file_entry;
using driftd::test::for_each_bit_flip;
using driftd::test::for_each_truncation;
using driftd::test::header_of;
using driftd::test::ignored_dir_entry;
using driftd::test::joined;
using driftd::test::kGolden;
using driftd::test::lines_of;
using driftd::test::link_entry;
using driftd::test::ListedEntry;
using driftd::test::must;
using driftd::test::optional_entry;
using driftd::test::Random;
using driftd::test::random_tree;
using driftd::test::recount;
using driftd::test::reseal;

namespace {

const std::string kGoldenContent = "b0b7aaa55473cface309dce72f26d5dcb86375cbd43cd305e71ad34311c2e38d";

Header golden_header() {
  Header header = header_of("v103-hotfix", 1'763'719'200);
  header.created = 1'795'255'200;
  header.expires = 1'803'031'200;
  header.source = "git+https://git.example/myapp@9fceb02d0ae598e95dc970b74767f19372d61af8";
  header.artifact = "myapp-9fceb02.tar.gz sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  header.pipeline = "https://ci.example/runs/42";
  header.overrides = {"skip-tests", "emergency-deploy"};
  header.labels = {{"env", "production"}};
  return driftd::test::with_globs(header, {"var/cache/**", "**/__pycache__/**"});
}

Entries golden_entries() {
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const auto acl = blake3_of("an access control list");

  Entry odd = optional_entry();
  odd.optional = false;
  odd.size = 0;
  Entry ping = file_entry(
      "\x7f"
      "ELF ping");
  ping.attributes.uname = "root";
  ping.attributes.gname = "root";
  ping.attributes.mode = 0755;
  ping.attributes.capability = capability;
  Entry etc = dir_entry();
  etc.attributes.uid = 0;
  etc.attributes.gid = 4'294'967'295;
  etc.attributes.mode = 01777;
  etc.attributes.acl = acl;
  Entry secret = file_entry("print('views')\n");
  secret.sha256.reset();
  secret.optional = true;
  secret.attributes.mode = 04750;
  secret.attributes.capability = capability;
  secret.attributes.acl = acl;
  Entry cache = ignored_dir_entry();
  cache.optional = true;
  return {{"app", dir_entry()},
          {"app/a name\nwith\\odd#*?[]\xff", odd},
          {"app/views.py", file_entry("print('views')\n")},
          {"bin", dir_entry()},
          {"bin/ping", ping},
          {"bin/run", file_entry("#!/bin/sh\nexec true\n", true)},
          {"current", link_entry("releases/103 x")},
          {"etc", etc},
          {"etc/local.conf", optional_entry()},
          {"etc/secret", secret},
          {"var", dir_entry()},
          {"var/cache", cache}};
}

/// kGolden with the first `from` replaced.
std::string edited(std::string_view from, std::string_view to) {
  std::string text(kGolden);
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, "the golden text has no ", std::string(from));
  return text.replace(at, from.size(), to);
}

Manifest build(const std::vector<ListedEntry>& entries, Header header) {
  ManifestBuilder builder(std::move(header));
  for (const auto& [path, entry] : entries) must(builder.add(path, entry));
  return must(std::move(builder).finish());
}

}  // namespace

TEST_CASE("a manifest's text is what the format says") {
  CHECK(write_manifest(build_manifest(golden_entries(), golden_header())) == kGolden);
}

TEST_CASE("reading takes that text and gives everything in it") {
  const ReadManifest read = must(read_manifest(kGolden));
  CHECK(to_hex(read.content) == kGoldenContent);
  CHECK(write_manifest(read.manifest) == kGolden);

  const Header& header = read.manifest.header();
  const Header expected = golden_header();
  CHECK(header.name == expected.name);
  CHECK(header.release == expected.release);
  CHECK(header.sequence == expected.sequence);
  CHECK(header.created == expected.created);
  CHECK((header.expires == expected.expires));
  CHECK(header.source == expected.source);
  CHECK(header.artifact == expected.artifact);
  CHECK(header.pipeline == expected.pipeline);
  CHECK((header.overrides == expected.overrides));
  CHECK((header.labels == expected.labels));
  REQUIRE(header.mutable_globs.size() == 2);
  CHECK(header.mutable_globs[1].text() == "**/__pycache__/**");

  const Entries entries = golden_entries();
  REQUIRE(read.manifest.size() == entries.size() + 1);
  EntryIndex index = 1;
  for (const auto& [path, entry] : entries) {
    CAPTURE(index);
    CHECK((read.manifest.path(index) == path));
    CHECK((read.manifest.entry(index) == entry));
    ++index;
  }
}

TEST_CASE("what is optional may be left out") {
  const Manifest smallest = build_manifest({});
  const std::string text = write_manifest(smallest);
  CHECK(text ==
        "#mtree v2.0\n#driftd 1\n#name: myapp\n#release: v103\n#sequence: 103\n#created: 2025-11-21T10:00:00Z\n"
        "#entries: 1\n#content: blake3:" +
            to_hex(blake3_of(". type=dir\n")) + "\n. type=dir\n");
  CHECK(read_manifest(text));
}

TEST_CASE("relabelling a release keeps its content id") {
  Header other = golden_header();
  other.name = "other";
  other.release = "v102-rollback";
  other.sequence = 1'763'719'201;
  other.expires.reset();
  other.labels.clear();
  const auto content = [](const Entries& entries, const Header& header) {
    return to_hex(must(read_manifest(write_manifest(build_manifest(entries, header)))).content);
  };
  CHECK(content(golden_entries(), other) == kGoldenContent);

  other.mutable_globs.pop_back();
  CHECK(content(golden_entries(), other) != kGoldenContent);
  Entries fewer = golden_entries();
  fewer.erase("etc/secret");
  CHECK(content(fewer, golden_header()) != kGoldenContent);
}

TEST_CASE("whatever the builder takes is written and read back the same") {
  Random random(12);
  for (int round = 0; round < 200; ++round) {
    const std::vector<ListedEntry> entries = listed(random_tree(random));
    Header header = golden_header();
    header.sequence = random.number();
    header.created = static_cast<std::int64_t>(random.below(253'402'300'800));
    if (random.one_in(2)) header.expires.reset();
    if (random.one_in(2)) header.source = "x";
    if (random.one_in(2)) header.labels = {{"a", ""}, {"a b", "=c = d "}};
    if (random.one_in(2)) header.overrides.assign(random.below(3), " ");
    if (random.one_in(2)) header.mutable_globs.clear();
    const std::string text = write_manifest(build(entries, header));
    CAPTURE(text);
    const ReadManifest read = must(read_manifest(text));
    CHECK(write_manifest(read.manifest) == text);
    REQUIRE(read.manifest.size() == entries.size());
    for (EntryIndex index = 1; index < read.manifest.size(); ++index) {
      CHECK((read.manifest.path(index) == entries[index].first));
      CHECK((read.manifest.entry(index) == entries[index].second));
    }
  }
}

TEST_CASE("a host reads one digest of each file") {
  const ReadManifest read = must(read_manifest(kGolden, KeepDigests::one));
  CHECK(to_hex(read.content) == kGoldenContent);
  const EntryIndex views = *read.manifest.find("app/views.py");
  CHECK(read.manifest.sha256(views) == nullptr);
  REQUIRE(read.manifest.blake3(views) != nullptr);
  CHECK(*read.manifest.blake3(views) == blake3_of("print('views')\n"));
}

TEST_CASE("a malformed header is refused") {
  struct Row {
    std::string from;
    std::string to;
    std::string why;
  };
  constexpr const char* kForm = "a header is missing, repeated, out of order or not in canonical form";
  const std::vector<Row> table = {
      // The first two lines.
      {"#mtree v2.0\n", "", "first two lines"},
      {"#driftd 1\n", "", "first two lines"},
      {"#mtree v2.0", "#mtree", "first two lines"},
      {"#mtree v2.0", "#mtree v2.0 ", "first two lines"},
      {"#mtree v2.0", "\xef\xbb\xbf#mtree v2.0", "first two lines"},
      {"#mtree v2.0\n", "#mtree v2.0\r\n", "first two lines"},
      {"#mtree v2.0\n", "\n#mtree v2.0\n", "first two lines"},
      {"#driftd 1", "#driftd 2", "first two lines"},
      {"#driftd 1", "#driftd 10", "first two lines"},
      // Missing ones.
      {"#name: myapp\n", "", kForm},
      {"#release: v103-hotfix\n", "", kForm},
      {"#sequence: 1763719200\n", "", kForm},
      {"#created: 2026-11-21T10:00:00Z\n", "", kForm},
      {"#entries: 13\n", "", kForm},
      // Unknown ones, and what is no header.
      {"#name", "#Name", "line 3: unknown header 'Name'"},
      {"#source", "#origin", "line 8: unknown header 'origin'"},
      {"#expires", "#owner: x\n#expires", "line 7: unknown header 'owner'"},
      {"#expires", "#: x\n#expires", "unknown header ''"},
      {"#expires", "# a comment\n#expires", "malformed header '# a comment'"},
      {"#expires", "#\n#expires", "malformed header '#'"},
      {"#expires", "##expires: x\n#expires", "unknown header '#expires'"},
      {"#name: myapp", "#name:myapp", "malformed header"},
      {"#name: myapp", "#name:\tmyapp", "malformed header"},
      {"#name: myapp", "#name : myapp", "unknown header 'name '"},
      {"#name: myapp", "# name: myapp", "unknown header ' name'"},
      {"#name: myapp", " #name: myapp", kForm},
      // Values.
      {"#name: myapp", "#name: my app", "a name is"},
      {"#name: myapp", "#name:  myapp", "a name is"},
      {"#name: myapp", "#name: " + std::string(65, 'x'), "a name is"},
      {"#name: myapp", "#name: ", "values are printable ASCII"},
      {"#release: v103-hotfix", "#release: caf\xc3\xa9", "line 4: values are printable ASCII"},
      {"#release: v103-hotfix", "#release: v1\t3", "values are printable ASCII"},
      {"#release: v103-hotfix", "#release: v103\r", "values are printable ASCII"},
      {"#release: v103-hotfix", "#release: v103\x7f", "values are printable ASCII"},
      {"#release: v103-hotfix", std::string("#release: v1\0", 13), "values are printable ASCII"},
      {"#release: v103-hotfix", "#release: ", "values are printable ASCII"},
      {"#source: git", "#source: \n#source: git", "values are printable ASCII"},
      {"#override: skip-tests", "#override: ", "values are printable ASCII"},
      {"#sequence: 1763719200", "#sequence: 01763719200", kForm},
      {"#sequence: 1763719200", "#sequence: 00", kForm},
      {"#sequence: 1763719200", "#sequence: +1", "malformed value in '#sequence: +1'"},
      {"#sequence: 1763719200", "#sequence: -1", "malformed value"},
      {"#sequence: 1763719200", "#sequence: 1 ", "malformed value"},
      {"#sequence: 1763719200", "#sequence:  1", "malformed value"},
      {"#sequence: 1763719200", "#sequence: 0x10", "malformed value"},
      {"#sequence: 1763719200", "#sequence: 1e3", "malformed value"},
      {"#sequence: 1763719200", "#sequence: 18446744073709551616", "malformed value"},
      {"#created: 2026-11-21T10:00:00Z", "#created: 2026-02-29T10:00:00Z", "malformed value"},
      {"#created: 2026-11-21T10:00:00Z", "#created: 2026-11-21T10:00:00+00:00", "malformed value"},
      {"#created: 2026-11-21T10:00:00Z", "#created: 1795255200", "malformed value"},
      {"#expires: 2027-02-19T10:00:00Z", "#expires: never", "malformed value"},
      {"#label: env=production", "#label: env", "a label is KEY=VALUE"},
      {"#label: env=production", "#label: =production", "a label is KEY=VALUE"},
      {"#mutable: var/cache/**", "#mutable: **", "without a wildcard"},
      {"#mutable: var/cache/**", "#mutable: /var/cache/**", "components must be names"},
      {"#mutable: var/cache/**", "#mutable: var/cache?/**", "only * and ** are wildcards"},
      {"#entries: 13", "#entries: 013", kForm},
      {"#entries: 13", "#entries: -13", "malformed value"},
      {"#entries: 13", "#entries: 12", "#entries says 12, there are 13"},
      {"#entries: 13", "#entries: 14", "#entries says 14, there are 13"},
      {"#entries: 13", "#entries: 0", "#entries says 0, there are 13"},
      {"#entries: 13", "#entries: 18446744073709551615", "#entries says 18446744073709551615, there are 13"},
      // Places.
      {"#content", "#entries: 13\n#content", kForm},
      {". type=dir\n", "#name: myapp\n. type=dir\n", kForm},
      {". type=dir\n", "#mutable: a/**\n. type=dir\n", kForm},
      {"#entries: 13", "\n#entries: 13", kForm},
  };
  for (const Row& row : table) {
    CAPTURE(row.from);
    CAPTURE(row.to);
    check_error(read_manifest(reseal(edited(row.from, row.to))), ErrorCode::format, row.why);
  }
}

TEST_CASE("a header line that stands twice or elsewhere is refused") {
  const std::vector<std::string> lines = lines_of(kGolden);
  const auto key = [&](std::size_t at) { return lines[at].substr(0, lines[at].find(' ')); };
  const auto repeats = [&](std::size_t at) {
    return key(at) == "#override:" || key(at) == "#label:" || key(at) == "#mutable:";
  };
  std::size_t content = 0;
  while (!lines[content].starts_with("#content: ")) ++content;
  for (std::size_t at = 0; at <= content; ++at) {
    CAPTURE(lines[at]);
    for (std::size_t to = 0; to <= content + 1; ++to) {
      std::vector<std::string> changed = lines;
      changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(to), lines[at]);
      const bool beside_its_like = (to > 0 && key(to - 1) == key(at)) || key(to) == key(at);
      CAPTURE(to);
      CHECK(read_manifest(reseal(joined(changed))).has_value() == (repeats(at) && beside_its_like));
    }
    if (at < content && key(at) != key(at + 1)) {
      std::vector<std::string> changed = lines;
      std::swap(changed[at], changed[at + 1]);
      CHECK_FALSE(read_manifest(reseal(joined(changed))));
    }
  }
}

TEST_CASE("a content id that does not fit is refused") {
  const std::string id = kGoldenContent;
  std::string upper = id;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  struct Row {
    std::string value;
    const char* why;
  };
  const std::vector<Row> table = {
      {"blake3:" + to_hex(blake3_of("")), "the content id does not fit the entries"},
      {"blake3:" + upper, "malformed value"},
      {"blake3:" + id.substr(1), "malformed value"},
      {"blake3:" + id + "0", "malformed value"},
      {"blake3:" + id + " ", "malformed value"},
      {"blake3:", "malformed value"},
      {id, "the content id is blake3:HEX"},
      {"sha256:" + id, "the content id is blake3:HEX"},
      {"BLAKE3:" + id, "the content id is blake3:HEX"},
  };
  for (const Row& row : table) {
    CAPTURE(row.value);
    check_error(read_manifest(edited("blake3:" + id, row.value)), ErrorCode::format, row.why);
  }
  // Each of what it covers.
  for (const std::string& changed :
       {edited("size=20", "size=21"), edited("var/cache/**", "var/cache*/**"), edited("./app ", "./apq "),
        edited("production\n#mutable: var/cache/**", "production")}) {
    CAPTURE(changed);
    check_error(read_manifest(changed), ErrorCode::format, "the content id does not fit the entries");
  }
}

TEST_CASE("a malformed entry is refused") {
  struct Row {
    std::string from;
    std::string to;
    std::string why;
  };
  constexpr const char* kForm = "not in canonical form";
  const std::string upper_digest = "blake3:08D0dc440a17bc102d6972e39866714e7dbbf71215b9fb6634f1e829be5af472";
  const std::string acl = "acl:99b49eb24f6efe0abc6d79724793ae1e4fc507266dde9b4ac0b223056938faa6";
  const std::string long_name(256, 'x');
  const std::vector<Row> table = {
      // Lines.
      {"./bin type=dir\n", "\n./bin type=dir\n", "line 22: malformed path ''"},
      {"./bin type=dir\n", "# a comment\n./bin type=dir\n", "malformed path '#'"},
      {"./bin type=dir\n", "./bin type=dir\r\n", "only files, directories and links"},
      {"./bin type=dir\n", "./bin type=dir \n", "unknown keyword ''"},
      {"./bin type=dir\n", " ./bin type=dir\n", "malformed path ''"},
      {"./bin type=dir\n", "./bin  type=dir\n", "unknown keyword ''"},
      {"./bin type=dir\n", "./bin\ttype=dir\n", "no type after './bin\\x09type=dir'"},
      {"./bin type=dir\n", "./bin type=dir\toptional\n", "only files, directories and links"},
      {"./bin type=dir\n", "./bin type=dir \\\n", "unknown keyword '\\\\'"},
      {"./bin type=dir\n", "./bin\n", "no type after './bin'"},
      {"./bin type=dir\n", "./bin \n", "unknown keyword ''"},
      {"./bin type=dir\n", "/set type=dir\n", "malformed path '/set'"},
      {"./bin type=dir\n", "..\n", "malformed path '..'"},
      {"./var/cache type=dir optional ignore\n", "./var/cache type=dir optional ignore", "line 30: has no line end"},
      {"./var/cache type=dir optional ignore\n", "./var/cache type=dir optional ignore\nx", "malformed path 'x'"},
      {"./var/cache type=dir optional ignore\n", "./var/cache type=dir optional ignore\n\n", "malformed path ''"},
      {"./var/cache type=dir optional ignore\n", std::string("./var/cache type=dir optional ignore\n\0", 38),
       "malformed path '\\x00'"},
      // Paths.
      {". type=dir\n", "", "must be the root"},
      {". type=dir\n", ". type=dir\n. type=dir\n", "stands twice"},
      {". type=dir\n", "./ type=dir\n", "must be the root"},
      {". type=dir\n", "./. type=dir\n", "malformed path './.'"},
      {". type=dir\n", "\\056 type=dir\n", "malformed path"},
      {". type=dir\n", "./\\056 type=dir\n", "malformed path"},
      {". type=dir\n", ". type=file\n", "root must be a directory"},
      {". type=dir\n", ". type=dir ignore\n", "root must be a directory"},
      {"./bin ", "bin ", "malformed path 'bin'"},
      {"./bin ", "/bin ", "malformed path '/bin'"},
      {"./bin ", ".//bin ", "not a path below the root"},
      {"./bin ", "./ ", "not a path below the root"},
      {"./bin ", "./bin/ ", "not a path below the root"},
      {"./bin ", "././bin ", "directory is missing"},
      {"./bin ", "./../x ", "directory is missing"},
      {"./bin ", "./.. ", "not a path below the root"},
      {"./bin ", "./app/.. ", "not a path below the root"},
      {"./app/views.py", "./app/..", "not a path below the root"},
      {"./app/views.py", "./app/.", "not a path below the root"},
      {"./app/views.py", "./app/../views.py", "directory is missing"},
      {"./app/views.py", "./app//views.py", "directory is missing"},
      {"./app/views.py", "./app/view\\000.py", "not a path below the root"},
      {"./app/views.py", "./app\\057views.py", kForm},
      {"./app/views.py", "./app/view\\163.py", kForm},
      {"./app/views.py", "./app/view#.py", kForm},
      {"./app/views.py", "./app/view*.py", kForm},
      {"./app/views.py", "./app/view[.py", kForm},
      {"./app/views.py", "./app/view\xff.py", kForm},
      {"./app/views.py", "./app/view\x01.py", kForm},
      {"./app/views.py", "./app/view\\12.py", "malformed path"},
      {"./app/views.py", "./app/view\\400.py", "malformed path"},
      {"./app/views.py", "./app/views.py\\", "malformed path"},
      {"./app/views.py", "./app/" + long_name, "not a path below the root"},
      {"./app/views.py", "./views.py", "wrong order"},
      {"./app/views.py", "./app", "stands twice"},
      {"./app/views.py", "./app/Views.py", "wrong order"},
      {"./app/views.py", "./lib/views.py", "directory is missing"},
      {"./var/cache", "./var/lib/cache", "directory is missing"},
      {"./var/cache type=dir optional ignore\n", "./var/cache type=dir ignore\n./var/cache/x type=file\n", "ignored"},
      {"./etc/local.conf type=file optional\n", "./etc/local.conf type=file\n./etc/local.conf type=file\n",
       "stands twice"},
      {"./etc/local.conf", "./etc/zzz", "wrong order"},
      // Keywords.
      {"./bin type=dir", "./bin type=dir nlink=2", "unknown keyword 'nlink=2'"},
      {"./bin type=dir", "./bin type=dir time=1.0", "unknown keyword"},
      {"./bin type=dir", "./bin type=dir flags=none", "unknown keyword"},
      {"./bin type=dir", "./bin type=dir OPTIONAL", "unknown keyword"},
      {"./bin type=dir", "./bin type=dir optional=1", "unknown keyword"},
      {"./bin type=dir", "./bin type=dir ignore=", "unknown keyword"},
      {"./bin type=dir", "./bin type=dir type=dir", kForm},
      {"./bin type=dir", "./bin optional", kForm},
      {"./bin type=dir", "./bin optional type=dir", kForm},
      {"./bin type=dir", "./bin type=block", "only files, directories and links"},
      {"./bin type=dir", "./bin type=char", "only files, directories and links"},
      {"./bin type=dir", "./bin type=fifo", "only files, directories and links"},
      {"./bin type=dir", "./bin type=socket", "only files, directories and links"},
      {"./bin type=dir", "./bin type=DIR", "only files, directories and links"},
      {"./bin type=dir", "./bin type=", "only files, directories and links"},
      {"./bin type=dir", "./bin type", "only files, directories and links"},
      {"optional ignore", "ignore optional", kForm},
      {"optional ignore", "optional optional ignore", kForm},
      {"mode=0755 size=9", "size=9 mode=0755", kForm},
      {"uname=root gname=root", "gname=root uname=root", kForm},
      {"size=20", "size=20 size=20", kForm},
      {"size=20", "size=21 size=20", kForm},
      {"mode=0755", "mode=755", kForm},
      {"mode=0755", "mode=00755", kForm},
      {"mode=0755", "mode=0", kForm},
      {"mode=0755", "mode=0788", "malformed value in 'mode=0788'"},
      {"mode=0755", "mode=0o755", "malformed value"},
      {"mode=0755", "mode=-1", "malformed value"},
      {"mode=0755", "mode=", "malformed value"},
      {"mode=0755", "mode=u=rwx", "malformed value"},
      {"mode=0755", "mode=0777777777777", "malformed value"},
      {"mode=0755", "mode=010000", "bits beyond 07777"},
      {"mode=0755", "mode=037777777777", "bits beyond 07777"},
      {"size=20", "size=020", kForm},
      {"size=20", "size=+20", "malformed value"},
      {"size=20", "size=-1", "malformed value"},
      {"size=20", "size=20.0", "malformed value"},
      {"size=20", "size=", "malformed value"},
      {"size=20", "size", "malformed value"},
      {"size=20", "size=18446744073709551616", "malformed value"},
      {"uid=0", "uid=00", kForm},
      {"uid=0", "uid=4294967296", "malformed value"},
      {"uid=0", "uid=-1", "malformed value"},
      {"gid=4294967295", "gid=4294967296", "malformed value"},
      {"uname=root", "uname=", "malformed value"},
      {"uname=root", "uname=ro/ot", "malformed value"},
      {"uname=root", "uname=ro\\157t", "malformed value"},
      {"uname=root", "uname=r\xc3\xb6t", "malformed value"},
      {"gname=root", "gname=root:root", "malformed value"},
      {"link=releases/103\\040x", "link=", "malformed value in 'link='"},
      {"link=releases/103\\040x", "link=releases/103\\000x", "malformed value"},
      {"link=releases/103\\040x", "link=releases/103\\40x", "malformed value"},
      {"link=releases/103\\040x", "link=releases/103 x", "unknown keyword 'x'"},
      {"link=releases/103\\040x", "link=releases\\057103", kForm},
      {"link=releases/103\\040x", "link=releases/103\xff", kForm},
      {" link=releases/103\\040x", "", "link target and type=link go together"},
      {"sha256=6e", "sha256=6E", "malformed value"},
      {"sha256=6e", "sha256=6", "malformed value"},
      {"sha256=6e", "sha256=06e", "malformed value"},
      {"sha256=6e", "sha256digest=6e", "unknown keyword"},
      // Tags.
      {",exec", ",exec,exec", kForm},
      {",exec", ",", "unknown tag ''"},
      {",exec", ",,exec", "unknown tag ''"},
      {",exec", ", exec", "unknown tag ''"},
      {",exec", " exec", "unknown keyword 'exec'"},
      {",exec", ",Exec", "unknown tag 'Exec'"},
      {",exec", ",exec:1", "unknown tag"},
      {",exec", ",md5:d41d8cd98f00b204e9800998ecf8427e", "unknown tag"},
      {",exec", " tags=exec", kForm},
      {",exec", ",exec,anyexec", "anyexec is for files without a mode and without exec"},
      {",exec", ",anyexec,anyexec", kForm},
      {"./bin type=dir", "./bin type=dir tags=anyexec", "anyexec is for files without a mode"},
      {"tags=blake3:56", "tags=exec,blake3:56", kForm},
      {"tags=blake3:08d0", "tags=", "unknown tag 'dc440a"},
      {"tags=blake3:08d0", "tags=blake3:08d0,", "malformed value"},
      {"blake3:08d0dc440a17bc102d6972e39866714e7dbbf71215b9fb6634f1e829be5af472", upper_digest, "malformed value"},
      {"blake3:08d0", "blake3:8d0", "malformed value"},
      {"blake3:08d0", "BLAKE3:08d0", "unknown tag"},
      {"tags=blake3:08d0", "tags=blake3:93a16b17bd74bc9630865aedb092718f79c2a48f1e4d85ea3da26016144468d3,blake3:08d0",
       kForm},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", "cap:", "malformed value"},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", "cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA=", "malformed value"},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", "cap:AQAAAgAgAAAAAAAAAAAAAAAAAAB", "malformed value"},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", "cap:AQAAAgAgAAAAAAAAAAAAAAAAAA+A", "malformed value"},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", "cap:" + std::string(87, 'A'), "malformed value"},
      {"cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA," + acl, acl + ",cap:AQAAAgAgAAAAAAAAAAAAAAAAAAA", kForm},
      {"acl:99b4", "acl:99B4", "malformed value"},
      {"acl:99b4", "acl:9b4", "malformed value"},
      // Contradictions, which the builder knows.
      {"./bin type=dir", "./bin type=dir size=0", "only a file has a size or a digest"},
      {"./bin type=dir", "./bin type=dir tags=exec", "exec is for files without a mode"},
      {"./bin type=dir", "./bin type=dir link=x", "link target and type=link go together"},
      {"./bin type=dir", "./bin type=link mode=0777 link=x", "symlink has no mode"},
      {"type=file size=20 ", "type=file mode=0755 size=20 ", "exec is for files without a mode"},
      {"uname=root", "uname=root uid=0", "uname and uid exclude each other"},
      {"gname=root", "gname=root gid=0", "gname and gid exclude each other"},
      {"./etc/local.conf type=file optional", "./etc/local.conf type=file optional ignore", "only a directory"},
  };
  for (const Row& row : table) {
    CAPTURE(row.from);
    CAPTURE(row.to);
    check_error(read_manifest(recount(edited(row.from, row.to))), ErrorCode::format, row.why);
  }
}

TEST_CASE("a file whose owner-execute is not checked has the tag anyexec in the place of exec") {
  const std::string text = recount(edited(",exec", ",anyexec"));
  const auto read = read_manifest(text);
  REQUIRE(read);
  const auto run = read->manifest.find("bin/run");
  REQUIRE(run);
  CHECK(read->manifest.any_exec(*run));
  CHECK_FALSE(read->manifest.executable(*run));
  CHECK(write_manifest(read->manifest) == text);
}

TEST_CASE("a digest may stand without a size, which some lists do not know") {
  const std::string text = recount(edited("type=file size=20 ", "type=file "));
  const auto read = must(read_manifest(text));
  CHECK(write_manifest(read.manifest) == text);
}

TEST_CASE("a text with other line ends is refused") {
  std::string text;
  for (const char c : kGolden) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  check_error(read_manifest(text), ErrorCode::format, "first two lines");
  check_error(read_manifest(""), ErrorCode::format, "first two lines");
}

TEST_CASE("a path may be as long as the limit and no longer") {
  std::vector<ListedEntry> entries = {{".", dir_entry()}};
  std::string path;
  for (int depth = 0; depth < 15; ++depth) {
    path += (depth > 0 ? "/" : "") + std::string(255, 'd');
    entries.emplace_back(path, dir_entry());
  }
  path += "/" + std::string(254, '\xff');
  entries.emplace_back(path, dir_entry());
  entries.emplace_back(path + "/f", file_entry("x"));
  REQUIRE(entries.back().first.size() == 4096);
  const std::string text = write_manifest(build(entries, header_of()));
  CHECK(read_manifest(text));

  std::string longer = text;
  longer.insert(longer.find("/f type=") + 1, "f");
  check_error(read_manifest(reseal(longer)), ErrorCode::format, "longer than 4096 bytes");
}

TEST_CASE("a header may be as large as its limits and no larger") {
  Header header = header_of();
  header.overrides.assign(63, std::string(1000, 'x'));
  header.overrides.emplace_back("x");
  const std::size_t without = write_manifest(build_manifest({}, header)).size() - std::string(". type=dir\n").size();
  REQUIRE(without < kMaxHeaderSize);
  header.overrides.back() += std::string(kMaxHeaderSize - without, 'x');
  CHECK(read_manifest(write_manifest(build_manifest({}, header))));
  header.overrides.back() += 'x';
  check_error(read_manifest(write_manifest(build_manifest({}, header))), ErrorCode::format, "larger than 64 KiB");

  Header rules = header_of();
  rules.mutable_globs.assign(1000, must(Glob::parse("var/**")));
  std::string text = write_manifest(build_manifest({}, rules));
  CHECK(read_manifest(text));
  text.insert(text.find("#mutable: "), "#mutable: var/**\n");
  check_error(read_manifest(reseal(text)), ErrorCode::format, "more than 1000 mutable rules");
}

TEST_CASE("no truncation of a manifest is read") {
  for_each_truncation(kGolden, [](std::string_view start) {
    CAPTURE(start.size());
    CHECK_FALSE(read_manifest(start));
    CHECK_FALSE(read_manifest(reseal(std::string(start))));
  });
}

TEST_CASE("no flipped bit goes unnoticed in what the content id covers") {
  // The other headers' values are the signature's to protect: they may read as something else, but never as the same.
  const std::size_t body = kGolden.find(". type=dir\n");
  std::size_t other_values = 0;
  for_each_bit_flip(kGolden, [&](const std::string& changed, std::size_t at) {
    const auto read = read_manifest(changed);
    if (!read) return;
    ++other_values;
    const std::size_t line_start = kGolden.rfind('\n', at - 1) + 1;
    const std::string_view line = kGolden.substr(line_start);
    CAPTURE(changed);
    CHECK(at < body);
    CHECK_FALSE(line.starts_with("#mutable: "));
    CHECK_FALSE(line.starts_with("#entries: "));
    CHECK_FALSE(line.starts_with("#content: "));
    CHECK(at > line_start + line.find(": "));
    CHECK(write_manifest(read->manifest) == changed);
  });
  CHECK(other_values > 500);
}

TEST_CASE("whatever is read is written as the same bytes") {
  // Mutations that know the format's words, with a count and a content id that fit: what is left to refuse them is the
  // reader's own care.
  const std::vector<std::string> words = {"/",
                                          "./",
                                          "..",
                                          ".",
                                          " ",
                                          "\\057",
                                          "\\040",
                                          "\\141",
                                          "\\000",
                                          "tags=",
                                          ",",
                                          "exec",
                                          ",exec",
                                          " optional",
                                          " ignore",
                                          " size=1",
                                          "0",
                                          "1",
                                          "a",
                                          "x",
                                          "=",
                                          "\n",
                                          "#",
                                          "./a type=dir\n",
                                          ": ",
                                          "#override: x\n",
                                          "#label: a=b\n",
                                          "#mutable: a\n",
                                          " uid=1",
                                          " mode=0644",
                                          "\t",
                                          "\r",
                                          "\xff",
                                          "*",
                                          "cap:AAAA",
                                          "link",
                                          "dir",
                                          "file",
                                          " link=x"};
  Random random(13);
  int read_again = 0;
  int same_count = 0;
  for (int round = 0; round < 8000; ++round) {
    std::string text(kGolden);
    for (std::size_t changes = 1 + random.below(2); changes > 0; --changes) {
      const std::size_t at = random.below(text.size());
      switch (random.below(5)) {
        case 0: text.insert(at, random.pick(words)); break;
        case 1: text.erase(at, 1 + random.below(4)); break;
        case 2: text[at] = random.bytes(1).front(); break;
        case 3: {
          // A whole line again, or gone.
          std::vector<std::string> lines = lines_of(text);
          const std::size_t line = random.below(lines.size());
          if (random.one_in(2)) {
            lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(line));
          } else {
            const std::string copy = lines[line];
            lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(random.below(lines.size())), copy);
          }
          text = joined(lines);
          break;
        }
        default: {
          // A word in front of another.
          const std::size_t before = text.find_first_of(" /=,:\n", at);
          text.insert(before == std::string::npos ? at : before + random.below(2), random.pick(words));
          break;
        }
      }
      if (text.empty()) break;
    }
    text = recount(text);
    const auto read = read_manifest(text);
    if (!read) continue;
    ++read_again;
    same_count += text == kGolden ? 1 : 0;
    CAPTURE(text);
    CHECK(write_manifest(read->manifest) == text);
  }
  CHECK(read_again - same_count > 300);
}
