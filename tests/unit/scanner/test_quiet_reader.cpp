#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/unique_fd.hpp"
#include "scanner/quiet_reader.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/page_cache.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::UniqueFd;
using driftd::scanner::QuietReader;
using driftd::test::cached_bytes;
using driftd::test::evict;
using driftd::test::TempTree;

namespace {

constexpr std::size_t kMega = 1024 * 1024;
constexpr std::uint64_t kFewPages = 16 * 4096;

std::string content_of(std::size_t size) {
  std::string content(size, '\0');
  std::uint64_t state = size;
  for (char& c : content) c = static_cast<char>((state = state * 6364136223846793005U + 1442695040888963407U) >> 56U);
  return content;
}

UniqueFd open_file(const std::string& path) { return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

std::string read_all(const std::string& path, std::uint64_t size, std::size_t step = QuietReader::kChunk) {
  const UniqueFd fd = open_file(path);
  QuietReader reader(fd.get(), size);
  std::vector<unsigned char> buffer(step);
  std::string all;
  for (ssize_t got = 0; (got = reader.read(buffer.data(), buffer.size())) > 0;) {
    all.append(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(got));
  }
  return all;
}

void warm_up(const std::string& path, std::size_t size) {
  const UniqueFd fd = open_file(path);
  std::string content(size, '\0');
  REQUIRE(::pread(fd.get(), content.data(), size, 0) == static_cast<ssize_t>(size));
}

void read_through(const std::string& path, std::uint64_t size, bool asks_first) {
  const UniqueFd fd = open_file(path);
  QuietReader reader(fd.get(), size);
  std::vector<unsigned char> buffer(QuietReader::kChunk);
  if (asks_first) (void)reader.read_if_cached(buffer.data(), buffer.size());
  while (reader.read(buffer.data(), buffer.size()) > 0) continue;
}

/// Pages may be in some CPU's batch when they are given back, and stay, or be wanted elsewhere, and go. That is by
/// chance, and now and then; a defect shows each time.
bool some_attempt(const std::function<bool()>& attempt) {
  for (int nth = 0; nth < 5; ++nth) {
    if (attempt()) return true;
  }
  return false;
}

/// Whether a fresh file that is not in memory is hardly there after it was read.
bool leaves_nothing(const TempTree& tree, std::size_t size) {
  tree.remove("f");
  tree.file("f", content_of(size));
  if (!evict(tree.at("f"))) return false;
  (void)read_all(tree.at("f"), size);
  return cached_bytes(tree.at("f")) <= kFewPages;
}

/// Whether a fresh file that is in memory still is once it was read.
bool takes_nothing(const TempTree& tree, std::size_t size) {
  tree.remove("f");
  tree.file("f", content_of(size));
  if (!evict(tree.at("f"))) return false;  // of what is not written yet nothing could be taken
  warm_up(tree.at("f"), size);
  const std::uint64_t before = cached_bytes(tree.at("f"));
  (void)read_all(tree.at("f"), size);
  return before >= size && cached_bytes(tree.at("f")) == before;
}

}  // namespace

TEST_CASE("content is read whole and right, in memory or not, whatever the size") {
  const TempTree tree;
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, QuietReader::kChunk - 1, QuietReader::kChunk,
                                 QuietReader::kChunk + 1, 3 * kMega + 17, 20 * kMega + 1}) {
    const std::string content = content_of(size);
    tree.file("f", content);
    CHECK(read_all(tree.at("f"), size) == content);
    evict(tree.at("f"));
    CHECK(read_all(tree.at("f"), size) == content);
    evict(tree.at("f"), 8192, 4096);
    CHECK(read_all(tree.at("f"), size, 100'000) == content);
  }
}

TEST_CASE("what was not in memory before a read is not there after it, and what was stays") {
  const TempTree tree;
  tree.file("f", "x");
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  for (const std::size_t size : {std::size_t{5000}, QuietReader::kChunk, 2 * kMega, 33 * kMega}) {
    CHECK_MESSAGE(some_attempt([&] { return leaves_nothing(tree, size); }), size);
    CHECK_MESSAGE(some_attempt([&] { return takes_nothing(tree, size); }), size);
  }
}

TEST_CASE("many small files that were not in memory leave next to nothing there, asked for ahead or not") {
  constexpr std::size_t kFiles = 500;
  constexpr std::size_t kSize = 5000;
  const TempTree tree;
  tree.file("f", "x");
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  const auto name = [](std::size_t nth) { return "f" + std::to_string(nth); };
  for (std::size_t nth = 0; nth < kFiles; ++nth) {
    tree.file(name(nth), content_of(kSize));
    REQUIRE(evict(tree.at(name(nth))));
  }
  for (const bool is_asked_for : {false, true}) {
    CAPTURE(is_asked_for);
    std::uint64_t left = 0;
    for (std::size_t nth = 0; nth < kFiles; ++nth) {
      const UniqueFd fd = open_file(tree.at(name(nth)));
      std::vector<unsigned char> buffer(QuietReader::kChunk);
      {
        QuietReader reader(fd.get(), kSize);
        // A page may have stayed after all, and is had at once then.
        ssize_t got = is_asked_for ? std::max<ssize_t>(0, reader.read_if_cached(buffer.data(), buffer.size())) : 0;
        if (got < static_cast<ssize_t>(kSize)) got += reader.read(buffer.data(), buffer.size());
        CHECK(got == static_cast<ssize_t>(kSize));
      }
      left += cached_bytes(tree.at(name(nth)));
      (void)evict(tree.at(name(nth)));
    }
    CHECK(left < kFiles * kSize / 10);
  }
}

TEST_CASE("of a file that was in memory in part, that part stays") {
  const TempTree tree;
  constexpr std::size_t kSize = 24 * kMega;
  tree.file("f", content_of(kSize));
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  const auto keeps_the_part = [&] {
    if (!evict(tree.at("f"))) return false;
    const UniqueFd fd = open_file(tree.at("f"));
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);  // no reading ahead
    std::string part(2 * kMega, '\0');
    for (const off_t at : {off_t{0}, off_t{10 * kMega}, off_t{22 * kMega}}) {
      REQUIRE(::pread(fd.get(), part.data(), part.size(), at) == static_cast<ssize_t>(part.size()));
    }
    const std::uint64_t before = cached_bytes(tree.at("f"));
    if (before < 6 * kMega || before >= kSize / 2) return false;
    (void)read_all(tree.at("f"), kSize);
    const std::uint64_t after = cached_bytes(tree.at("f"));
    return after >= before && after <= before + kFewPages;
  };
  CHECK(some_attempt(keeps_the_part));
}

TEST_CASE("of small files that were in memory in part, exactly that part stays") {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kPages = QuietReader::kChunk / kPage;
  const TempTree tree;
  tree.file("f", content_of(QuietReader::kChunk));
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  const auto page_is_cached = [&](std::size_t page) {
    return cached_bytes(tree.at("f"), static_cast<off_t>(page * kPage), kPage) > 0;
  };
  const auto pages = [&] {
    std::string all;
    for (std::size_t page = 0; page < kPages; ++page) all += page_is_cached(page) ? 'x' : '.';
    return all;
  };
  const auto stays_as_it_is = [&](const std::vector<std::size_t>& parts, bool asks_first) {
    if (!evict(tree.at("f"))) return false;
    {
      const UniqueFd fd = open_file(tree.at("f"));
      ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);  // no reading ahead
      std::string part(4 * kPage, '\0');
      for (const std::size_t at : parts) {
        REQUIRE(::pread(fd.get(), part.data(), part.size(), static_cast<off_t>(at * kPage)) > 0);
      }
    }
    const std::string before = pages();
    if (static_cast<std::size_t>(std::count(before.begin(), before.end(), 'x')) != 4 * parts.size()) return false;
    read_through(tree.at("f"), QuietReader::kChunk, asks_first);
    return pages() == before;
  };
  for (const bool asks_first : {false, true}) {
    CAPTURE(asks_first);
    for (const std::vector<std::size_t>& parts : std::vector<std::vector<std::size_t>>{
             {0}, {30}, {kPages - 4}, {0, kPages - 4}, {4, 20, 40}, {0, 8, 16, 24, 32, 40, 48, 56}}) {
      CAPTURE(parts.front());
      CAPTURE(parts.size());
      CHECK(some_attempt([&] { return stays_as_it_is(parts, asks_first); }));
    }
  }
}

TEST_CASE("who is not told what is in memory leaves nothing of a small file that was not") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  ::chmod(tree.path().c_str(), 0755);
  tree.file("f", content_of(QuietReader::kChunk));
  ::chmod(tree.at("f").c_str(), 0644);
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  for (const bool asks_first : {false, true}) {
    const auto leaves_nothing = [&] {
      if (!evict(tree.at("f"))) return false;
      const std::string said = driftd::test::as_nobody([&]() -> std::string {
        read_through(tree.at("f"), QuietReader::kChunk, asks_first);
        return open_file(tree.at("f")) ? "" : "cannot open it";
      });
      REQUIRE(said == "");
      return cached_bytes(tree.at("f")) <= kFewPages;
    };
    CHECK(some_attempt(leaves_nothing));
  }
}

TEST_CASE("reading if cached refuses what is not, and asks for it") {
  const TempTree tree;
  tree.file("f", content_of(5000));
  if (!evict(tree.at("f"))) return driftd::test::skip("a file system that keeps its files in memory");
  const UniqueFd fd = open_file(tree.at("f"));
  {
    QuietReader reader(fd.get(), 5000);
    std::vector<unsigned char> buffer(QuietReader::kChunk);
    const ssize_t first = reader.read_if_cached(buffer.data(), buffer.size());
    const int error = errno;
    CHECK(first == -1);
    CHECK(error == EAGAIN);
    CHECK(reader.read(buffer.data(), buffer.size()) == 5000);
    CHECK(cached_bytes(tree.at("f")) > 0);
  }
}

TEST_CASE("on a file system where no read refuses to wait the page cache is left as it was, too") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  for (const char* directory : {"lower", "upper", "work", "merged"}) tree.dir(directory);
  constexpr const char* kNoOverlay = "no overlayfs here";
  const std::string said = driftd::test::with_own_mounts([&]() -> std::string {
    const std::string where =
        "lowerdir=" + tree.at("lower") + ",upperdir=" + tree.at("upper") + ",workdir=" + tree.at("work");
    if (::mount("overlay", tree.at("merged").c_str(), "overlay", 0, where.c_str()) != 0) return kNoOverlay;
    for (const std::size_t size : {std::size_t{5000}, QuietReader::kChunk, 2 * kMega}) {
      const std::size_t files = 2 * kMega / size;
      const auto name = [&](std::size_t nth) { return std::to_string(size) + "-" + std::to_string(nth); };
      for (std::size_t nth = 0; nth < files; ++nth) tree.file("lower/" + name(nth), content_of(size));
      const auto in_memory_after = [&](bool before, bool asks) {
        std::uint64_t all = 0;
        for (std::size_t nth = 0; nth < files; ++nth) {
          if (!evict(tree.at("lower/" + name(nth)))) return UINT64_MAX;
          if (before) warm_up(tree.at("lower/" + name(nth)), size);
          read_through(tree.at("merged/" + name(nth)), size, asks);
          all += cached_bytes(tree.at("lower/" + name(nth)));
        }
        return all;
      };
      for (const bool asks : {false, true}) {
        const std::string what = std::to_string(size) + (asks ? ", asked for" : "");
        if (!some_attempt([&] { return in_memory_after(false, asks) < files * size / 10; })) return "left: " + what;
        const auto stays = [&] {
          const std::uint64_t all = in_memory_after(true, asks);
          return all >= files * size && all != UINT64_MAX;
        };
        if (!some_attempt(stays)) return "taken: " + what;
      }
    }
    return "";
  });
  if (said == kNoOverlay) return driftd::test::skip(kNoOverlay);
  CHECK(said == "");
}
