#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace driftd::scanner {

/// Which file or directory something is, by whatever name, for as long as it exists and its file system is mounted.
struct FileId {
  std::uint64_t device = 0;  ///< another one each time, where no disk stands behind the file system (Btrfs, tmpfs)
  std::uint64_t inode = 0;   ///< 0: not known which

  bool operator==(const FileId&) const = default;

  static FileId of(const struct statx& status) {
    return {std::uint64_t{status.stx_dev_major} << 32U | status.stx_dev_minor, status.stx_ino};
  }
};

}  // namespace driftd::scanner
