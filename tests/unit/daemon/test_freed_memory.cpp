#include <unistd.h>

#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/freed_memory.hpp"
#include "tests/unit/support/skip.hpp"

namespace {

// The sanitizers bring an allocator of their own, which keeps what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
constexpr bool kIsOtherAllocator = true;
#else
constexpr bool kIsOtherAllocator = false;
#endif

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("freed memory goes back to the system, though some above it is in use") {
  if (kIsOtherAllocator) return driftd::test::skip("not the C library's allocator");
  constexpr std::size_t kBlocks = 500'000;
  constexpr std::size_t kBlock = 100;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(std::make_unique<char[]>(kBlock));
  const std::unique_ptr<char[]> last = std::make_unique<char[]>(kBlock);
  const std::size_t before = resident_bytes();
  blocks.clear();
  driftd::daemon::give_back_freed_memory();
  CHECK(resident_bytes() + kBlocks * kBlock * 3 / 4 < before);
}

TEST_CASE("memory that is in use stays as it is when freed memory is given back") {
  std::vector<std::string> kept;
  for (int i = 0; i < 10'000; ++i) {
    kept.push_back(std::string(100, 'x') + std::to_string(i));
    const auto freed = std::make_unique<char[]>(1000);
  }
  driftd::daemon::give_back_freed_memory();
  for (int i = 0; i < 10'000; ++i)
    CHECK(kept[static_cast<std::size_t>(i)] == std::string(100, 'x') + std::to_string(i));
}
