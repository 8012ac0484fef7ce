#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace driftd::scanner {

/// Which file or directory something is, by whatever name, for as long as it exists and its file system is mounted.
struct FileId {
  std::uint64_t device = 0;  ///< another one each time, where no disk stands behind the file system (Btrfs, tmpfs)
  std::uint64_t inode = 0;   ///< 0: not known which
  /// Nanoseconds since 1970, by which files tell apart that had the same number one after the other. 0 where the file
  /// system does not keep it.
  std::int64_t born = 0;

  bool operator==(const FileId&) const = default;

  /// What statx is to be asked for, always: else two of the same file differ.
  static constexpr unsigned kStatxMask = STATX_INO | STATX_BTIME;

  static FileId of(const struct statx& status) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    const auto& time = status.stx_btime;
    const bool is_born = (status.stx_mask & STATX_BTIME) != 0 && time.tv_sec >= 0 && time.tv_sec < INT64_MAX / kSecond;
    return {std::uint64_t{status.stx_dev_major} << 32U | status.stx_dev_minor, status.stx_ino,
            is_born ? time.tv_sec * kSecond + time.tv_nsec : 0};
  }
};

}  // namespace driftd::scanner
