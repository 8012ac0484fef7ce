#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "manifests/hashed_bytes.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::ErrorCode;
using driftd::manifests::HashedBytes;
using driftd::manifests::minisign::prehash;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::TempTree;

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;
constexpr std::size_t kLimit = 64 * kMiB;

/// Bytes of which no two pieces are alike.
std::string content_of(std::size_t size) {
  std::string text(size, '\0');
  std::uint64_t state = size;
  for (char& byte : text) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56U);
  }
  return text;
}

}  // namespace

TEST_CASE("a file of any size is read whole, and hashed as one message") {
  TempTree tree;
  const std::string path = tree.at("file");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kMiB - 1, kMiB, kMiB + 1, 8 * kMiB - 1, 8 * kMiB,
                                 8 * kMiB + 1, 20 * kMiB + 12345}) {
    CAPTURE(size);
    const std::string content = content_of(size);
    std::ofstream(path, std::ios::binary) << content;
    const HashedBytes read = must(HashedBytes::read(path, kLimit));
    CHECK(read.text() == content);
    CHECK(read.hash() == prehash(content));
    const HashedBytes same(content);
    CHECK(same.text() == content);
    CHECK(same.hash() == read.hash());
  }
}

TEST_CASE("a file that changes while it is read gives a hash of the bytes that were read") {
  TempTree tree;
  const std::string path = tree.at("file");
  const std::string content = content_of(12 * kMiB);
  std::ofstream(path, std::ios::binary) << content;
  std::atomic<bool> ends = false;
  std::thread changing([&] {
    for (std::size_t round = 0; !ends; ++round) {
      fs::resize_file(path, round % 2 == 0 ? 12 * kMiB + round % kMiB : (round * 4099) % (12 * kMiB));
    }
  });
  for (int i = 0; i < 50; ++i) {
    const HashedBytes read = must(HashedBytes::read(path, kLimit));
    CHECK(read.hash() == prehash(read.text()));
  }
  ends = true;
  changing.join();
}

TEST_CASE("whoever waits for a file hears of every answer of its file system") {
  TempTree tree;
  const std::string path = tree.at("file");
  for (const std::size_t size : {std::size_t{0}, kMiB, 20 * kMiB}) {
    CAPTURE(size);
    std::ofstream(path, std::ios::binary) << content_of(size);
    std::atomic<std::size_t> answers = 0;
    must(HashedBytes::read(path, kLimit, [&] { ++answers; }));
    // When it is open, and after each 128 KiB.
    CHECK(answers >= 1 + size / (kMiB / 8));
  }
}

TEST_CASE("what cannot be read is an error") {
  TempTree tree;
  std::ofstream(tree.at("file")) << "12345";
  CHECK(must(HashedBytes::read(tree.at("file"), 5)).text() == "12345");
  check_error(HashedBytes::read(tree.at("file"), 4), ErrorCode::size, "larger than the limit of 4 bytes");
  check_error(HashedBytes::read(tree.at("none"), kLimit), ErrorCode::unreadable, "none: No such file");
  check_error(HashedBytes::read(tree.at(""), kLimit), ErrorCode::unreadable, "not a regular file");
  REQUIRE(::mkfifo(tree.at("fifo").c_str(), 0600) == 0);
  check_error(HashedBytes::read(tree.at("fifo"), kLimit), ErrorCode::unreadable, "not a regular file");
}
