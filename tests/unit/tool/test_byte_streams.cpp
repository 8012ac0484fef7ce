#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/archive_reader.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::check_error;
using driftd::test::must;

namespace {

/// Gives one piece after the other.
ByteStream pieces(std::vector<std::string> all) {
  return [all = std::move(all), next = std::size_t{0}]() mutable -> Result<std::string_view> {
    return next < all.size() ? std::string_view(all[next++]) : std::string_view();
  };
}

std::string read_all(const ByteStream& stream) {
  std::string all;
  for (;;) {
    const std::string_view bytes = must(stream());
    if (bytes.empty()) return all;
    all += bytes;
  }
}

// `printf 'hello' | gzip -n`
const std::string kHelloGz("\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0", 25);

}  // namespace

TEST_CASE("a plain stream comes through as it is, in whatever pieces") {
  for (const auto& all : {std::vector<std::string>{"h", "ello"}, {"hello"}, {"he", "l", "l", "o"}}) {
    CHECK(read_all(must(decompress(pieces(all))).stream) == "hello");
  }
  check_error(decompress(pieces({})), ErrorCode::format, "empty");
}

TEST_CASE("a gzip stream comes through in whatever pieces") {
  for (std::size_t cut = 1; cut < kHelloGz.size(); ++cut) {
    CAPTURE(cut);
    CHECK(read_all(must(decompress(pieces({kHelloGz.substr(0, cut), kHelloGz.substr(cut)}))).stream) == "hello");
  }
  std::vector<std::string> single;
  for (const char c : kHelloGz + kHelloGz) single.emplace_back(1, c);
  CHECK(read_all(must(decompress(pieces(single))).stream) == "hellohello");
}

TEST_CASE("a stream that is compressed more than once, or a zip, is refused") {
  // `printf 'hello' | bzip2`, and the same through bzip2 again
  const std::string once(
      "BZh91AY&"
      "SY\x19\x31\x65\x3d\0\0\0\x81\0\x02\x44\xa0\0\x21\x9a\x68\x33\x4d\x07\x33\x8b\xb9\x22\x9c\x28\x48\x0c\x98\xb2"
      "\x9e\x80",
      41);
  const auto plain = must(decompress(pieces({once})));
  CHECK(plain.compression == "bzip2");
  CHECK(read_all(plain.stream) == "hello");
  CHECK(must(decompress(pieces({kHelloGz}))).compression == "gzip");
  CHECK(must(decompress(pieces({"hello"}))).compression == "none");
  for (const auto& all : {std::vector<std::string>{once + "junk"}, {once, "junk"}}) {
    check_error(drain(must(decompress(pieces(all))).stream), ErrorCode::format, "something else follows the bzip2");
  }
  check_error(decompress(pieces({"P", "K\3\4..."})), ErrorCode::format, "a zip cannot be read from a pipe");
}

TEST_CASE("an error of the stream below is what is told") {
  const ByteStream broken = [] { return Result<std::string_view>(Error{ErrorCode::io, "disk: gone"}); };
  check_error(decompress(broken), ErrorCode::io, "disk: gone");
  check_error(drain(broken), ErrorCode::io, "disk: gone");
  bool given = false;
  const ByteStream late = [&given]() -> Result<std::string_view> {
    if (given) return Error{ErrorCode::io, "disk: gone"};
    given = true;
    return std::string_view("plain");
  };
  const auto stream = decompress(late);
  if (stream) {
    check_error(drain(stream->stream), ErrorCode::io, "disk: gone");
  } else {
    check_error(stream, ErrorCode::io, "disk: gone");
  }
}
