#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/mtree.hpp"
#include "manifests/tool/foreign_mtree.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"

using namespace driftd::manifests;
using driftd::manifests::tool::Imported;
using driftd::manifests::tool::ImportRules;
using driftd::manifests::tool::parse_foreign_mtree;
using driftd::test::check_error;
using driftd::test::header_of;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::sha256_of;

namespace {

const std::string kHex = to_hex(sha256_of("x"));

Result<Manifest> import(const std::string& text, const ImportRules& rules = {}) {
  auto imported = parse_foreign_mtree(text, rules);
  if (!imported) return imported.error();
  return std::move(imported->tree).finish(header_of());
}

/// The entry lines of the manifest that comes of it.
std::string lines_of(const std::string& text, const ImportRules& rules = {}) {
  const std::string written = write_manifest(must(import(text, rules)));
  return written.substr(written.find("\n. ") + 1);
}

}  // namespace

TEST_CASE("NetBSD's form: /set, relative names, continued lines") {
  const std::string text =
      "#\t   user: (null)\n#\t   tree: /srv\n\n# .\n"
      "/set type=file uname=root gname=wheel mode=0644 flags=none\n"
      ".               type=dir mode=0755 time=1795557769.683354037\n"
      "    \\\\back      size=1 time=1795557769.675354037 \\\n"
      "                sha256=" +
      kHex +
      "\n"
      "    l           type=link mode=0777 link=sub\\sdir\n"
      "\n# ./sub dir\nsub\\sdir        type=dir mode=0755\n"
      "    with\\#hash  size=2 \\\n                sha256=" +
      kHex +
      "\n"
      "deep            type=dir mode=0755\n"
      "    f           size=3 sha256=" +
      kHex +
      "\n"
      "# ./sub dir/deep\n..\n\n# ./sub dir\n..\n"
      "last            size=0 sha256=" +
      kHex + "\n";
  const std::string owner = " uname=root gname=wheel";
  CHECK(lines_of(text) == ". type=dir" + owner +
                              " mode=0755\n"
                              "./\\134back type=file" +
                              owner + " mode=0644 size=1 sha256=" + kHex +
                              "\n"
                              "./l type=link" +
                              owner +
                              " link=sub\\040dir\n"
                              "./last type=file" +
                              owner + " mode=0644 size=0 sha256=" + kHex +
                              "\n"
                              "./sub\\040dir type=dir" +
                              owner +
                              " mode=0755\n"
                              "./sub\\040dir/deep type=dir" +
                              owner +
                              " mode=0755\n"
                              "./sub\\040dir/deep/f type=file" +
                              owner + " mode=0644 size=3 sha256=" + kHex +
                              "\n"
                              "./sub\\040dir/with\\043hash type=file" +
                              owner + " mode=0644 size=2 sha256=" + kHex + "\n");
}

TEST_CASE("FreeBSD's form closes the root as well") {
  CHECK(
      lines_of("/set type=dir uname=root\n.\n    bin\n    ..\n    boot\n        defaults\n        ..\n    ..\n..\n") ==
      ". type=dir uname=root\n./bin type=dir uname=root\n./boot type=dir uname=root\n"
      "./boot/defaults type=dir uname=root\n");
  check_error(import(". type=dir\n..\nx type=dir\n"), ErrorCode::format, "line 3: 'x': stands after");
  check_error(import(". type=dir\n..\n..\n"), ErrorCode::format, "line 3: '..': goes above the root");
}

TEST_CASE("full paths, in any order, with parents that nobody lists") {
  CHECK(lines_of("./b/c/f type=file sha256digest=" + kHex + " size=1\na/g size=2\n./a type=dir optional\n") ==
        ". type=dir\n./a type=dir optional\n./a/g type=file size=2 tags=anyexec\n./b type=dir\n./b/c type=dir\n"
        "./b/c/f type=file size=1 sha256=" +
            kHex + " tags=anyexec\n");
}

TEST_CASE("keywords, one by one") {
  struct Row {
    std::string words;
    std::string line;
  };
  const std::vector<Row> rows = {
      {"type=file size=1 md5=x sha1=y sha256=" + kHex, "type=file size=1 sha256=" + kHex + " tags=anyexec"},
      {"sha256=" + kHex + " sha256digest=" + kHex, "type=file sha256=" + kHex + " tags=anyexec"},
      {"sha256=0x" + kHex, "type=file sha256=" + kHex + " tags=anyexec"},
      {"link=b", "type=link link=b"},
      {"type=link link=b mode=0777 size=1", "type=link link=b"},
      {"type=dir size=4096 nlink=3 time=1.0", "type=dir"},
      {"type=file uid=0 gid=0 uname=root", "type=file uname=root gid=0 tags=anyexec"},
      {"type=file mode=4755", "type=file mode=04755"},
      {"type=file optional", "type=file tags=anyexec optional"},
      {"type=dir ignore", "type=dir ignore"},
      {"type=file ignore", "type=file tags=anyexec"},
      {"type=file mode=0644 size=1 nochange sha256=" + kHex, "type=file tags=anyexec"},
      {"type=dir # a comment", "type=dir"},
      {"type=dir\t\toptional", "type=dir optional"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.words);
    CHECK(lines_of("a " + row.words + "\n") == ". type=dir\n./a " + row.line + "\n");
    CHECK(lines_of("/set " + row.words + "\r\n\ta\r\n") == ". type=dir\n./a " + row.line + "\n");
  }
}

TEST_CASE("/unset, and the keyword that is told of the entry itself") {
  CHECK(
      lines_of("/set type=file uname=root mode=0600\na\nb mode=0644\n/unset uname mode\nc\n/unset all\nd type=dir\n") ==
      ". type=dir\n./a type=file uname=root mode=0600\n./b type=file uname=root mode=0644\n./c type=file tags=anyexec\n"
      "./d type=dir\n");
}

TEST_CASE("an escape that ends with a backslash does not continue the line") {
  CHECK(lines_of("a type=link link=x\\M^\\\nb type=link link=y\\\\\nc \\\n\\\n type=dir\n") ==
        ". type=dir\n./a type=link link=x\\234\n./b type=link link=y\\134\n./c type=dir\n");
}

TEST_CASE("modes and owners may be left out") {
  const std::string text = "a type=file mode=0755 uname=root\nb type=file mode=0644\nc type=dir mode=0755 gid=3\n";
  CHECK(lines_of(text, {.mode = false, .owner = false}) ==
        ". type=dir\n./a type=file tags=exec\n./b type=file\n./c type=dir\n");
  check_error(import("a type=file mode=4755\n", {.mode = false}), ErrorCode::format, "setuid");
}

TEST_CASE("what was left out is said once") {
  const Imported imported = must(parse_foreign_mtree("a type=dir time=1 flags=none\nb type=dir zebra time=2\n", {}));
  CHECK(imported.notes == std::vector<std::string>{"keywords that were not taken over: flags time zebra"});
}

TEST_CASE("what cannot be meant is refused with its line") {
  struct Row {
    std::string line;
    std::string why;
  };
  const std::vector<Row> rows = {
      {"../x type=file", "'.' and '..'"},
      {"./../x type=file", "'.' and '..'"},
      {"a/../x type=file", "'.' and '..'"},
      {"a/./x type=file", "'.' and '..'"},
      {"a//x type=file", "empty name"},
      {"\\056\\056 type=dir", "not a name"},
      {"a\\057b type=file", "escaped slash"},
      {"./a\\057b type=file", "escaped slash"},
      {"a\\000b type=file", "not a name"},
      {"./a\\0b type=file", "NUL"},
      {"a\\qb type=file", "known escape"},
      {"a#b type=file", "\\043"},
      {"/etc/passwd type=file", "neither /set nor /unset"},
      {"type=file size=1 ./a", "the path stands first"},
      {std::string(256, 'a') + " type=file", "not a name"},
      {"./" + std::string(4097, 'a') + " type=file", "4096 bytes"},
      {"ok type=file", "stands twice"},
      {"./ok type=dir", "stands twice"},
      {"a", "no type"},
      {"a type=fifo", "only files, directories and links"},
      {"a type=block device=1", "only files, directories and links"},
      {"a type=link", "without its target"},
      {"a type=link link=b\\q", "known escape"},
      {"a type=link link=b nochange", "nochange"},
      {"a type=file size=-1", "number of bytes"},
      {"a type=file size=99999999999999999999", "number of bytes"},
      {"a type=file sha256=" + kHex.substr(1), "64 hexadecimal"},
      {"a type=file sha256=" + kHex + " sha256digest=" + std::string(64, '0'), "two different"},
      {"a type=file size=1 md5=d41d8cd98f00b204e9800998ecf8427e", "only digest is md5"},
      {"a type=file sha512=00", "only digest is sha512"},
      {"a type=file mode=u=rw", "octal"},
      {"a type=file mode=17777", "07777"},
      {"a type=file uname=r\\sx", "a name is"},
      {"a type=file uid=root", "not a number"},
      {"a type=file =x", "no keyword"},
      {"a type=file type=file", "type stands twice"},
      {"a type=file \\", "middle of an entry"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const std::string text = "/set uname=root\n\nok type=file\n" + row.line + "\n";
    check_error(import(text), ErrorCode::format, row.why);
    check_error(import(text), ErrorCode::format, "line 4: ");
  }
  check_error(import("a type=file\nb type=file size=1 \\\n md5=0\n"), ErrorCode::format,
              "line 3: 'b': its only digest");
  check_error(import(std::string("a type=file\0\n", 13)), ErrorCode::format, "NUL");
  check_error(import("# nothing\n"), ErrorCode::format, "lists nothing");
}

TEST_CASE("contradictions between entries are refused") {
  check_error(import("a type=file\na/b type=file\n"), ErrorCode::format, "'a': is no directory");
  check_error(import("./a type=dir ignore\n./a/b type=file\n"), ErrorCode::format, "'a': its content is ignored");
  check_error(import(". type=file\n"), ErrorCode::format, "the root must be a directory");
  check_error(import(". type=dir optional\n"), ErrorCode::format, "the root must be a directory");
}

TEST_CASE("our own manifests are not imported, since rules and identity would be lost") {
  check_error(import("#mtree v2.0\n#driftd 1\n#name: a\n. type=dir\n"), ErrorCode::format, "driftd manifest already");
}

TEST_CASE("no input makes the reader do anything but read or refuse") {
  Random random(78);
  int taken = 0;
  const std::string start = "/set type=dir mode=0755\n. size=1\na type=dir\n  b type=file sha256=" + kHex +
                            "\\\n size=1\n..\nc\\sd link=x type=link\n";
  for (int round = 0; round < 4000; ++round) {
    std::string text = start;
    for (std::size_t edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(text.size());
      switch (random.below(3)) {
        case 0: text[at] = static_cast<char>(random.below(256)); break;
        case 1: text.erase(at, random.below(8)); break;
        default: text.insert(at, random.from("\\\n. /#=a0M-^", 1 + random.below(3))); break;
      }
      if (text.empty()) text = "a";
    }
    const auto manifest = import(text);
    if (!manifest) continue;
    ++taken;
    const std::string written = write_manifest(*manifest);
    CHECK(write_manifest(must(read_manifest(written)).manifest) == written);
  }
  CHECK(taken > 200);
}
