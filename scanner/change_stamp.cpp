#include "scanner/change_stamp.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <chrono>
#include <ctime>
#include <thread>

namespace driftd::scanner {
namespace {

FileTime read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return {now.tv_sec, static_cast<std::uint32_t>(now.tv_nsec)};
}

FileTime time_of(const statx_timestamp& time) { return {time.tv_sec, time.tv_nsec}; }

constexpr std::uint32_t kSecond = 1'000'000'000;
constexpr std::uint32_t kHundredth = 10'000'000;
constexpr std::uint32_t kMicrosecond = 1000;

/// `time` less the steps in which the file system counts that keeps `stamp`, as its digits tell: FAT has two seconds,
/// old ext3 one, exFAT hundredths, and nothing else is coarser than a microsecond.
FileTime less_a_step(FileTime time, FileTime stamp) {
  if (stamp.nanoseconds == 0) return {time.seconds - 2, time.nanoseconds};
  const std::uint32_t step = stamp.nanoseconds % kHundredth == 0 ? kHundredth : kMicrosecond;
  if (time.nanoseconds >= step) return {time.seconds, time.nanoseconds - step};
  return {time.seconds - 1, time.nanoseconds + kSecond - step};
}

}  // namespace

FileTime FileTime::now() { return read_clock(CLOCK_REALTIME_COARSE); }

ChangeStamp ChangeStamp::of(const struct statx& status) {
  return {FileId::of(status), time_of(status.stx_mtime), time_of(status.stx_ctime)};
}

std::optional<ChangeStamp> ChangeStamp::of(int fd) {
  struct statx status;  // NOLINT: filled by the kernel
  if (::statx(fd, "", AT_EMPTY_PATH, kStatxMask, &status) != 0) return std::nullopt;
  return of(status);
}

bool ChangeStamp::told_apart(FileTime since) const {
  return changed < less_a_step(since, changed) || changed > read_clock(CLOCK_REALTIME);
}

bool ChangeStamp::is_fine(int fd) const {
  if (changed <= FileTime::now()) return false;
  // The clock of a server may be ahead for other reasons.
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return false;
  switch (status.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC: return true;
    default: return false;
  }
}

void ChangeStamp::wait_for_next_tick(const std::stop_token& stop) const {
  while (!told_apart(FileTime::now()) && !stop.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace driftd::scanner
