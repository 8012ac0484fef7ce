#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/sha256sums.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"

using namespace driftd::manifests;
using driftd::manifests::tool::parse_sha256sums;
using driftd::manifests::tool::sha256sums_line;
using driftd::test::check_error;
using driftd::test::header_of;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::sha256_of;

namespace {

const std::string kHex = to_hex(sha256_of("x"));

/// The paths of all files that a list names.
std::vector<std::string> files_of(const std::string& list) {
  auto imported = must(parse_sha256sums(list));
  const Manifest manifest = must(std::move(imported.tree).finish(header_of()));
  std::vector<std::string> paths;
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    if (manifest.type(entry) != EntryType::file) continue;
    paths.push_back(manifest.path(entry));
    REQUIRE(manifest.sha256(entry) != nullptr);
    CHECK(*manifest.sha256(entry) == sha256_of("x"));
    CHECK_FALSE(manifest.size_of(entry));
  }
  return paths;
}

}  // namespace

TEST_CASE("the forms of a line") {
  std::string upper = kHex;
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  struct Row {
    std::string line;
    std::string path;
  };
  const std::vector<Row> rows = {
      {kHex + "  a", "a"},
      {kHex + " *a", "a"},
      {kHex + " a", "a"},
      {upper + "  a", "a"},
      {kHex + "  ./a/b", "a/b"},
      {kHex + "  a b", "a b"},
      {kHex + "   a", " a"},
      {kHex + "  *a", "*a"},
      {kHex + "  a\\b", "a\\b"},
      {"\\" + kHex + "  a\\\\b\\nc\\rd", "a\\b\nc\rd"},
      {"SHA256 (a) = " + kHex, "a"},
      {"SHA256 (a (1) = x) = " + kHex, "a (1) = x"},
      {"SHA256(a)= " + kHex, "a"},
      {"SHA2-256(a)= " + kHex, "a"},
      {"\\SHA256 (a\\nb) = " + kHex, "a\nb"},
      {kHex + "  a\r", "a"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    CHECK((files_of(row.line + "\n") == std::vector{row.path}));
    CHECK((files_of("# comment\n\n" + row.line) == std::vector{row.path}));
  }
}

TEST_CASE("what is no list of digests, or a dangerous one, is refused with its line") {
  struct Row {
    std::string line;
    std::string why;
  };
  const std::vector<Row> rows = {
      {"hello", "neither"},
      {kHex, "neither"},
      {kHex + "\ta", "neither"},
      {std::string(32, 'a') + "  a", "MD5"},
      {std::string(40, 'a') + "  a", "SHA-1"},
      {std::string(128, 'a') + "  a", "SHA-512"},
      {std::string(63, 'a') + "  a", "neither"},
      {"MD5 (a) = " + std::string(32, 'a'), "only SHA-256"},
      {"SHA256 (a) = " + std::string(63, 'a'), "64 hexadecimal"},
      {"SHA256 (a) = " + kHex + "x", "64 hexadecimal"},
      {kHex + "  /etc/passwd", "absolute"},
      {kHex + "  ../a", "'..'"},
      {kHex + "  a/../b", "'..'"},
      {kHex + "  a/./b", "'..'"},
      {kHex + "  a//b", "empty name"},
      {kHex + "  ", "empty name"},
      {kHex + "  .", "no file"},
      {kHex + "  -", "standard input"},
      {kHex + "  " + std::string(256, 'x'), "255 bytes"},
      {kHex + "  " + std::string(4097, 'x'), "4096 bytes"},
      {"\\" + kHex + "  a\\x", "backslash"},
      {"\\" + kHex + "  a\\", "backslash"},
      {kHex + "  ok", "stands twice"},
      {kHex + "  ./ok", "stands twice"},
      {kHex + "  a" + std::string(1, '\0'), "NUL"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.line);
    check_error(parse_sha256sums(kHex + "  ok\n" + row.line + "\n"), ErrorCode::format, row.why);
    check_error(parse_sha256sums(kHex + "  ok\n" + row.line + "\n"), ErrorCode::format, "line 2: ");
  }
  check_error(parse_sha256sums("# nothing\n"), ErrorCode::format, "lists no file");
}

TEST_CASE("a path below a file is refused") {
  auto imported = must(parse_sha256sums(kHex + "  a\n" + kHex + "  a/b\n"));
  check_error(std::move(imported.tree).finish(header_of()), ErrorCode::format, "is no directory");
}

TEST_CASE("a file that is called like standard input") {
  CHECK(sha256sums_line("-", sha256_of("x")) == kHex + "  ./-\n");
  CHECK(files_of(kHex + "  ./-\n") == std::vector<std::string>{"-"});
}

TEST_CASE("what is written is read as the same name") {
  Random random(77);
  for (int round = 0; round < 500; ++round) {
    std::string name = random.one_in(2) ? random.bytes(1 + random.below(20)) : random.from("\\\n\r *nr-a", 6);
    for (char& c : name) c = c == '\0' || c == '/' ? 'x' : c;
    if (name == "." || name == "..") continue;
    CAPTURE(name);
    const std::string line = sha256sums_line(name, sha256_of("x"));
    CHECK(line.find('\n') == line.size() - 1);
    CHECK((files_of(line) == std::vector{name}));
  }
}
