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
    CHECK(read_all(must(decompress(pieces(all)))) == "hello");
  }
  check_error(decompress(pieces({})), ErrorCode::format, "empty");
}

TEST_CASE("a gzip stream comes through in whatever pieces") {
  for (std::size_t cut = 1; cut < kHelloGz.size(); ++cut) {
    CAPTURE(cut);
    CHECK(read_all(must(decompress(pieces({kHelloGz.substr(0, cut), kHelloGz.substr(cut)})))) == "hello");
  }
  std::vector<std::string> single;
  for (const char c : kHelloGz + kHelloGz) single.emplace_back(1, c);
  CHECK(read_all(must(decompress(pieces(single)))) == "hellohello");
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
    check_error(drain(*stream), ErrorCode::io, "disk: gone");
  } else {
    check_error(stream, ErrorCode::io, "disk: gone");
  }
}
