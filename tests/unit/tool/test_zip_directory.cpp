#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/zip_directory.hpp"
#include "manifests/unique_fd.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/tool/zip_bytes.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using namespace driftd::test;

namespace {

Result<ZipDirectory> read(const std::string& bytes) {
  const UniqueFd fd(::memfd_create("zip", MFD_CLOEXEC));
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return ZipDirectory::read(fd.get());
}

std::string unicode_path(const std::string& name) {
  return little_endian(0x7075, 2) + little_endian(5 + name.size(), 2) + std::string("\1\0\0\0\0", 5) + name;
}

std::string zip64_sizes(std::uint64_t size) {
  return little_endian(1, 2) + little_endian(16, 2) + little_endian(size, 8) + little_endian(size, 8);
}

/// The record and its locator, between a central directory at `offset` and the end.
std::string zip64_end(std::size_t count, std::size_t size, std::size_t offset) {
  return "PK\6\6" + little_endian(44, 8) + little_endian(45, 4) + little_endian(0, 8) + little_endian(count, 8) +
         little_endian(count, 8) + little_endian(size, 8) + little_endian(offset, 8) + "PK\6\7" + little_endian(0, 4) +
         little_endian(offset + size, 8) + little_endian(1, 4);
}

}  // namespace

TEST_CASE("a zip has one end, and nothing but its central directory before it") {
  const ZipParts parts = zip_parts({{.name = "a"}, {.name = "b"}});
  const std::size_t size = parts.directory.size();
  const std::size_t start = parts.members.size();
  const std::string body = parts.members + parts.directory;
  const std::string end = zip_end(2, size, start);
  CHECK(read(body + end));
  CHECK(read(body + zip_end(2, size, start, "a comment")));
  CHECK(read(body + zip64_end(2, size, start) + end));
  CHECK(read(body + zip64_end(2, size, start) + zip_end(0xffff, 0xffffffff, 0xffffffff)));
  const std::string signature = "PK\5\5" + little_endian(4, 2) + "sign";
  const std::string none = zip_end(0, 0, start);
  struct Row {
    std::string bytes;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {body + "GAP" + end, "between its central directory and its end"},
           {body + signature + end, "between its central directory and its end"},
           {body + signature + zip_end(2, size + signature.size(), start), "holds more than entries"},
           {body + "PK" + zip_end(2, size + 2, start), "holds more than entries"},
           {body + none, "between its central directory and its end"},
           {body + zip_end(2, size, start, none), "two ends"},
           {body + zip_end(2, size, start, "x" + none + "x"), "two ends"},
           {body + end + "x", "does not end where the file does"},
           {body + zip_end(2, size, start, "comment").substr(0, 25), "does not end where the file does"},
           {body + zip_end(1, size, start), "speaks of 1 members and lists 2"},
           {body + zip_end(3, size, start), "speaks of 3 members and lists 2"},
           {"SFX" + body + end, "between its central directory and its end"},
           {body + zip64_end(1, size, start) + end, "contradict each other"},
           {body + zip64_end(2, size, start) + zip_end(2, size, start - 1), "contradict each other"},
           {body + zip64_end(2, size, start - 1) + end, "damaged"},
           {body + zip64_end(2, size, start).insert(20, "x") + end, "damaged"},
           {body.substr(0, 20), "damaged or truncated"},
           {zip({}), "an empty zip"},
       }) {
    check_error(read(row.bytes), ErrorCode::format, row.why);
  }
}

TEST_CASE("a zip's two descriptions of a member agree") {
  CHECK(read(zip({{.name = "a", .extra = unicode_path("a"), .local_extra = unicode_path("a")}})));
  CHECK(read(zip({{.name = "a", .local_extra = zip64_sizes(5), .local_size = 0xffffffff}})));
  CHECK(read(zip({{.name = "a", .local_flags = 8, .local_size = 0, .behind = std::string(16, 'd')}, {.name = "b"}})));
  CHECK(read(zip({{.name = "a", .local_extra = std::string(3, '\0')}})));  // as zipalign pads
  struct Row {
    std::vector<ZipMember> members;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {{{.name = "b", .local_name = "a"}, {.name = "a", .local_name = "b"}}, "'b': called 'a' before its content"},
           {{{.name = "d", .local_name = "d/"}}, "'d': called 'd/'"},
           {{{.name = "a"}, {.name = "b", .offset = 0}}, "overlap"},
           {{{.name = "a"}, {.name = "b", .offset = 7}}, "overlap"},
           {{{.name = "a"}, {.name = "b", .offset = 5000}}, "'b': the central directory leads to no member"},
           {{{.name = "a", .offset = 0}, {.name = "b"}}, "'a': called 'b'"},
           {{{.name = "a"}, {.name = "hidden", .is_listed = false}, {.name = "b"}}, "between its members"},
           {{{.name = "hidden", .is_listed = false}, {.name = "b"}}, "between its members"},
           {{{.name = "a"}, {.name = "hidden", .is_listed = false}}, "between its members"},
           {{{.name = "a", .local_flags = 8, .behind = std::string(17, 'd')}}, "between its members"},
           {{{.name = "a", .extra = unicode_path("b")}}, "'a': has a second name"},
           {{{.name = "a", .local_extra = unicode_path("b")}}, "'a': has a second name"},
           {{{.name = "a", .local_extra = "xxx"}}, "'a': has damaged extra fields"},
           {{{.name = "a", .local_method = 8}}, "'a': what stands before its content"},
           {{{.name = "a", .local_size = 4}}, "'a': what stands before its content"},
           {{{.name = "a", .local_size = 0}}, "'a': what stands before its content"},
           {{{.name = "a", .local_extra = zip64_sizes(4), .local_size = 0xffffffff}}, "'a': what stands before"},
           {{{.name = "a", .local_size = 0xffffffff}}, "'a': what stands before"},
       }) {
    check_error(read(zip(row.members)), ErrorCode::format, row.why);
  }
}

TEST_CASE("a zip's names and types can be understood in one way") {
  CHECK(read(zip({{.name = "d/", .content = "", .mode = 040755}, {.name = "./e/", .content = "", .mode = 0}})));
  CHECK(read(zip({{.name = "d/", .content = "", .mode = 0, .host = 0}})));  // as java's jar has it
  CHECK(read(zip({{.name = "caf\xc3\xa9", .host = 0}, {.name = "caf\xc3\xaa", .utf8 = false}})));
  struct Row {
    ZipMember member;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{
           {{.name = ""}, "no name"},
           {{.name = std::string("a\0b", 3)}, "'a\\x00b': its name holds a NUL"},
           {{.name = "."}, "named '.'"},
           {{.name = "a/."}, "'a/.': named '.'"},
           {{.name = "d", .content = "", .mode = 040755}, "'d': a directory by its mode"},
           {{.name = "d", .content = "", .mode = 0, .host = 0, .dos = 0x10}, "'d': a directory by its mode"},
           {{.name = "d/", .content = ""}, "'d/': a directory by its final slash"},
           {{.name = "l/", .content = "x", .mode = 0120777}, "'l/': a directory by its final slash"},
           {{.name = "d/", .mode = 040755}, "'d/': a directory with content"},
           {{.name = "caf\x82", .utf8 = false, .host = 0}, "'caf\\x82': its name is neither ASCII"},
       }) {
    check_error(read(zip({row.member})), ErrorCode::format, row.why);
  }
}

TEST_CASE("what libarchive gives is what the central directory says") {
  const std::string bytes = zip({{.name = "a", .mode = 0100755},
                                 {.name = "d/", .content = "", .mode = 0755},
                                 {.name = "x", .mode = 0, .host = 0}});
  auto directory = must(read(bytes));
  check_error(directory.finish(), ErrorCode::format, "'a': in the central directory, but cannot be read");
  CHECK(directory.take_next("a", 0100755));
  CHECK(directory.take_next("d/", 040755));
  CHECK(directory.take_next("x", 0100664));
  CHECK(directory.finish());
  check_error(directory.take_next("y", 0100644), ErrorCode::format, "'y': not in the central directory");
  directory = must(read(bytes));
  check_error(directory.take_next("b", 0100755), ErrorCode::format, "use a tar");
  directory = must(read(bytes));
  check_error(directory.take_next("a", 0100644), ErrorCode::format, "'a': its mode is one thing");
  directory = must(read(zip({{.name = "x", .host = 0}})));
  check_error(directory.take_next("x", 0100755), ErrorCode::format, "'x': its mode is one thing");
}
