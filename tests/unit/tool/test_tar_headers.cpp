#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/tar_headers.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/tool/tar_bytes.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using namespace driftd::test;

namespace {

/// Whether the bytes pass, in pieces of this size, as `members` members.
Result<void> pass(const std::string& bytes, std::size_t members, std::size_t piece) {
  TarHeaders headers;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    if (auto taken = headers.take(std::string_view(bytes).substr(at, piece)); !taken) {
      CHECK(headers.refusal());
      return taken;
    }
  }
  return headers.finish(members);
}

void check_passes(const std::string& bytes, std::size_t members) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{512}, bytes.size()}) {
    CHECK(pass(bytes, members, piece));
  }
}

std::string long_name(const std::string& text, char type = 'L') {
  return tar_member({.name = "././@LongLink", .type = type, .content = text, .link = {}, .size_field = {}});
}

TarMember typed(char type, std::string content = {}) {
  return {.name = "m", .type = type, .content = std::move(content), .link = "t", .size_field = {}};
}

const std::string kFile = tar_member(tar_file("a"));

std::string with_pax(const std::string& records, const TarMember& member = tar_file("a")) {
  return pax_header(records) + tar_member(member) + tar_end();
}

std::string sparse_0_1(const std::string& size, const std::string& parts, const std::string& map) {
  return pax_record("GNU.sparse.size", size) + pax_record("GNU.sparse.numblocks", parts) +
         pax_record("GNU.sparse.map", map) + pax_record("GNU.sparse.name", "sp");
}

std::string sparse_0_0(const std::vector<std::string>& numbers) {
  std::string records = pax_record("GNU.sparse.size", "100") + pax_record("GNU.sparse.numblocks", "2");
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    records += pax_record(i % 2 == 0 ? "GNU.sparse.offset" : "GNU.sparse.numbytes", numbers[i]);
  }
  return records;
}

std::string sparse_1_0(const std::string& size, const std::string& map, const std::string& content = "hello") {
  return with_pax(pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                      pax_record("GNU.sparse.name", "sp") + pax_record("GNU.sparse.realsize", size),
                  tar_file("a", padded(map) + content));
}

/// GNU tar's own form: numbers of the map in the header, and in blocks behind it.
std::string old_sparse(const std::vector<std::string>& numbers, const std::string& real_size, bool is_extended = false,
                       const std::string& extension = {}) {
  std::string header = tar_member(typed('S', "hello"));
  const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  for (std::size_t i = 0; i < numbers.size(); ++i) put(386 + i * 12, numbers[i]);
  if (is_extended) put(482, "\1");
  put(483, real_size);
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header.substr(0, 512)) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  put(148, text);
  return header.insert(512, extension) + tar_end();
}

}  // namespace

TEST_CASE("what archivers write passes, in whatever pieces") {
  check_passes(tar({tar_dir("d"), tar_file("d/a"), tar_symlink("l", "a"), tar_hard_link("h", "d/a"), typed('3')}), 5);
  check_passes(pax_header(pax_record("comment", "1f3a") + pax_record("mtime", "1"), 'g') + kFile + tar_end(), 1);
  check_passes(long_name(std::string("n\0", 2)) + long_name(std::string(600, 't'), 'K') + kFile + kFile + tar_end(), 2);
  check_passes(with_pax(pax_record("path", "long") + pax_record("size", "5")), 1);
  check_passes(with_pax(sparse_0_1("100", "2", "10,5,100,0")), 1);
  check_passes(with_pax(sparse_0_0({"0", "5", "100", "0"})), 1);
  check_passes(sparse_1_0("100", "2\n10\n5\n100\n0\n"), 1);
  check_passes(sparse_1_0("0", "1\n0\n0\n", ""), 1);
  check_passes(old_sparse({"00000000012", "00000000005", "00000000144", "00000000000"}, "00000000144"), 1);
  check_passes(old_sparse({"0", "1", "2", "1", "4", "1", "6", "1"}, "11", true, padded("10          1")), 1);
  check_passes(tar({typed('V'), tar_file("a")}), 1);
  check_passes(tar({tar_file("a")}) + "whatever follows is no part of it", 1);
}

TEST_CASE("headers from which unpackers make different members are refused with the name") {
  struct Row {
    std::string bytes;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {pax_header(pax_record("path", "evil"), 'g') + kFile, "a global pax header says 'path'"},
           {pax_header(pax_record("size", "3"), 'g') + kFile, "a global pax header says 'size'"},
           {pax_header(pax_record("GNU.sparse.name", "x"), 'g') + kFile, "says 'GNU.sparse.name'"},
           {pax_header(pax_record("SCHILY.xattr.security.capability", "x"), 'g') + kFile, "says 'SCHILY.xattr"},
           {long_name("n") + with_pax(pax_record("path", "p")), "headers of both GNU tar and pax"},
           {pax_header(pax_record("path", "p")) + long_name("n"), "headers of both GNU tar and pax"},
           {long_name("t", 'K') + with_pax(pax_record("linkpath", "p")), "headers of both GNU tar and pax"},
           {pax_header(pax_record("path", "p")) + pax_header(pax_record("path", "q")), "two headers of the same kind"},
           {long_name("n") + long_name("n"), "two headers of the same kind"},
           {long_name(std::string("a\0b", 3)), "NUL in a long name"},
           {kFile + pax_header(pax_record("path", "p")) + tar_end(), "a header for a member that does not come"},
           {tar({typed('1', "data")}), "'m': a link, directory or device with content"},
           {tar({typed('2', "data")}), "'m': a link, directory or device with content"},
           {tar({typed('4', "data")}), "'m': a link, directory or device with content"},
           {tar({typed('5', "data")}), "'m': a link, directory or device with content"},
           {tar({typed('6', "data")}), "'m': a link, directory or device with content"},
           {tar({tar_file("d/")}), "'d/': a link, directory or device with content"},
           {with_pax(pax_record("size", "1024"), typed('5')), "'m': a link, directory or device with content"},
           {with_pax(pax_record("size", "1024"), typed('1')), "'m': a link, directory or device with content"},
           {with_pax(pax_record("size", "0"), typed('2', "data")), "'m': a link, directory or device with content"},
           {tar({typed('Z')}), "'m': of a type 'Z'"},
           {with_pax(pax_record("path", "")), "an empty path"},
           {with_pax(pax_record("linkpath", "")), "an empty linkpath"},
           {with_pax(pax_record("path", std::string("a\0b", 3))), "a NUL in path"},
           {with_pax(pax_record("path", "p") + pax_record("path", "q")), "two records 'path'"},
           {with_pax(pax_record("size", "-1")), "a size that is none"},
           {with_pax("12 path=abc\nGARBAGE"), "malformed"},
           {with_pax("99 path=abc\n"), "malformed"},
           {with_pax(pax_record("SCHILY.realsize", "3")), "a form that only some unpackers know"},
           {with_pax(pax_record("GNU.sparse.name", "sp")), "a form that only some unpackers know"},
           {with_pax(sparse_0_1("100", "1", "10,5") + pax_record("GNU.sparse.major", "1")), "a form that only some"},
           {with_pax(sparse_0_1("100", "1", "10,5")), "'sp': its sparse map does not end where the file does"},
           {with_pax(sparse_0_1("100", "2", "10,4,100,0")), "'sp': its sparse map does not fit its content"},
           {with_pax(sparse_0_1("100", "2", "99,1,0,4")), "its sparse map overlaps"},
           {with_pax(sparse_0_1("100", "3", "10,5,100,0")), "has not all its parts"},
           {with_pax(sparse_0_1("100", "2", "10,5,100")), "its sparse map cannot be read"},
           {with_pax(sparse_0_0({"10", "5", "90", "0"})), "does not end where the file does"},
           {with_pax(sparse_0_0({"10", "5", "100"})), "a form that only some unpackers know"},
           {sparse_1_0("100", "1\n10\n5\n"), "'sp': its sparse map does not end where the file does"},
           {sparse_1_0("100", "2\n10\n5\n12\n88\n"), "overlaps"},
           {sparse_1_0("100", "2\n10\n4\n100\n0\n"), "does not fit its content"},
           {sparse_1_0("100", "2\n10\nx"), "its sparse map cannot be read"},
           {sparse_1_0("15", "2\n10\n5\n", ""), "cannot be read"},
           {sparse_1_0("15", "99999999999999999999\n"), "cannot be read"},
           {old_sparse({"00000000012", "00000000005"}, "00000000144"), "'m': its sparse map does not end"},
           {old_sparse({"", "5"}, "5"), "'m': its sparse map cannot be read"},
           {old_sparse({"0", "5"}, "5", true, padded("x")), "'m': its sparse map cannot be read"},
       }) {
    check_error(pass(row.bytes, 1, row.bytes.size()), ErrorCode::format, row.why);
    check_error(pass(row.bytes, 1, 1), ErrorCode::format, row.why);
  }
}

TEST_CASE("headers that libarchive understood otherwise are refused") {
  constexpr const char* kWhy = "in more than one way";
  check_error(pass(tar({tar_file("a"), tar_file("b")}), 1, 512), ErrorCode::format, kWhy);
  check_error(pass(kFile, 1, 512), ErrorCode::format, kWhy);
  std::string damaged = kFile + kFile + tar_end();
  damaged[1024 + 3] = 'x';
  check_error(pass(damaged, 2, 512), ErrorCode::format, kWhy);
}
