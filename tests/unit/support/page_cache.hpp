#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// How much of a file's content from `offset` on is in the page cache. `length` 0: to its end.
inline std::uint64_t cached_bytes(const std::string& path, off_t offset = 0, off_t length = 0) {
  const manifests::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || status.st_size <= offset) return 0;
  const auto size = static_cast<std::size_t>(status.st_size);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  std::vector<unsigned char> resident((size + page - 1) / page);
  const std::size_t end = length == 0 ? size : std::min(size, static_cast<std::size_t>(offset + length));
  std::uint64_t bytes = 0;
  if (::mincore(mapping, size, resident.data()) == 0) {
    for (std::size_t at = static_cast<std::size_t>(offset) / page; at * page < end; ++at) {
      bytes += (resident[at] & 1U) * page;
    }
  }
  ::munmap(mapping, size);
  return bytes;
}

/// Takes a range of a file out of the page cache, all of it; false where it cannot be done, as on a file system that is
/// nothing but cache, or of a part of a large folio. `length` 0: to the end.
inline bool evict(const std::string& path, off_t offset = 0, off_t length = 0) {
  const manifests::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ::fsync(fd.get());
  // Pages that are in some CPU's batch, or are looked at by the kernel for a moment, are not let go at once.
  for (int attempt = 0; attempt < 100; ++attempt) {
    ::posix_fadvise(fd.get(), offset, length, POSIX_FADV_DONTNEED);
    if (cached_bytes(path, offset, length) == 0) return true;
    if (attempt >= 10) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

}  // namespace driftd::test
