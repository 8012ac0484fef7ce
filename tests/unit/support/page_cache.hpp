#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// How much of a file's content is in the page cache.
inline std::uint64_t cached_bytes(const std::string& path) {
  const manifests::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || status.st_size == 0) return 0;
  const auto size = static_cast<std::size_t>(status.st_size);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  std::vector<unsigned char> resident((size + page - 1) / page);
  std::uint64_t bytes = 0;
  if (::mincore(mapping, size, resident.data()) == 0) {
    for (const unsigned char one : resident) bytes += (one & 1U) * page;
  }
  ::munmap(mapping, size);
  return bytes;
}

/// Takes a range of a file out of the page cache; false on a file system that is nothing but cache. `length` 0: all.
inline bool evict(const std::string& path, off_t offset = 0, off_t length = 0) {
  const manifests::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ::fsync(fd.get());
  const std::uint64_t before = cached_bytes(path);
  // Pages that are in some CPU's batch are not let go at once.
  for (int attempt = 0; attempt < 100; ++attempt) {
    ::posix_fadvise(fd.get(), offset, length, POSIX_FADV_DONTNEED);
    if (cached_bytes(path) < before || before == 0) return true;
  }
  return false;
}

}  // namespace driftd::test
