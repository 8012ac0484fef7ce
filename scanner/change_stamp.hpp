#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "scanner/file_id.hpp"

namespace driftd::scanner {

/// A moment by the clock that the kernel stamps files with.
struct FileTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;

  auto operator<=>(const FileTime&) const = default;

  /// What a change that happens now is stamped with, or will be later: never ahead of a time stamp that comes after.
  static FileTime now();
};

/// How an open file or directory looked at one moment. Where it is written to, or names come, go or change in it, or it
/// is moved itself, it looks different afterwards, except to who looked in the tick of the clock in which that
/// happened: a second change in the same tick has the same time (before Linux 6.13). A tick is up to 10 ms, but two
/// seconds on file systems that keep whole seconds. So a stamp is good for comparing only if it is `told_apart()`.
struct ChangeStamp {
  FileId file;
  FileTime modified;
  FileTime changed;

  bool operator==(const ChangeStamp&) const = default;

  static constexpr unsigned kStatxMask = STATX_BASIC_STATS | FileId::kStatxMask;
  static ChangeStamp of(const struct statx& status);
  /// Nothing with errno set where it cannot be had.
  static std::optional<ChangeStamp> of(int fd);

  /// Whether no change that came after `since` can have the time of this one. A time ahead of the clock (which was set
  /// back) is no change's that comes now.
  [[nodiscard]] bool told_apart(FileTime since) const;

  /// Whether this, as it was just read of that open file, is no time of a tick: what is changed after that look has
  /// another time then, however soon it comes. So it is with "multigrain timestamps" (Linux 6.13, file systems on local
  /// disks) where a file had been looked at before it was changed.
  [[nodiscard]] bool is_fine(int fd) const;

  /// Waits until a change would be told apart from this one: mostly not at all, and else for a tick.
  void wait_for_next_tick(const std::stop_token& stop) const;
};

}  // namespace driftd::scanner
