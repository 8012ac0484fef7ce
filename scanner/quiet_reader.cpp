#include "scanner/quiet_reader.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace driftd::scanner {
namespace {

constexpr std::size_t kReadAheadByAttempt = 64 * 1024;
constexpr std::uint64_t kSmallestPage = 4096;
/// As far ahead as the page cache is asked about at once; more than the kernel reads ahead, less than a scan may leave
/// behind if it is stopped.
constexpr std::uint64_t kWindow = 8 * 1024 * 1024;

std::uint64_t page_size() {
  static const auto kSize = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return kSize;
}

std::uint64_t page_start(std::uint64_t offset) { return offset - offset % page_size(); }

void drop(int fd, std::uint64_t begin, std::uint64_t length) {
  ::posix_fadvise(fd, static_cast<off_t>(begin), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

}  // namespace

ssize_t QuietReader::read(unsigned char* buffer, std::size_t length) {
  if (size_ > kChunk) look_ahead();
  if (size_ > kChunk || known_ == size_) return read_at_position(buffer, length, 0);
  const ssize_t cached = read_what_is_cached(buffer, length);
  if (cached > 0 || (cached < 0 && errno != EAGAIN && errno != EOPNOTSUPP)) return cached;
  // At the end of the file, or where the next byte would have to be waited for.
  if (cached < 0) errno == EAGAIN ? look_at_rest() : look_at_all();
  return read_at_position(buffer, length, 0);
}

ssize_t QuietReader::read_if_cached(unsigned char* buffer, std::size_t length) {
  if (size_ > kChunk) look_ahead();
  const ssize_t got = read_what_is_cached(buffer, length);
  if (got >= 0) return got;
  if (errno == EOPNOTSUPP) {
    look_at_all();
    return read_at_position(buffer, length, 0);
  }
  if (errno != EAGAIN) return got;
  look_at_rest();
  // The attempt alone makes the kernel read ahead, by its own measure (since Linux 5.10).
  if (length > kReadAheadByAttempt) {
    ::posix_fadvise(fd_, static_cast<off_t>(position_), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
  }
  return errno = EAGAIN, -1;
}

ssize_t QuietReader::read_what_is_cached(unsigned char* buffer, std::size_t length) {
  const ssize_t got = read_at_position(buffer, length, RWF_NOWAIT);
  // The kernel reads on from there, so it is asked before that has come.
  if (got > 0 && static_cast<std::size_t>(got) < length && position_ < size_) look_at_rest();
  return got;
}

ssize_t QuietReader::read_at_position(unsigned char* buffer, std::size_t length, int flags) {
  ssize_t got = 0;
  do {
    if (flags == 0) {
      got = ::pread(fd_, buffer, length, static_cast<off_t>(position_));
    } else {
      iovec part{buffer, length};
      got = ::preadv2(fd_, &part, 1, static_cast<off_t>(position_), flags);
    }
  } while (got < 0 && errno == EINTR);
  if (got > 0) position_ += static_cast<std::uint64_t>(got);
  return got;
}

void QuietReader::look_ahead() {
  while (known_ < size_ && position_ + kWindow > known_) {
    const std::uint64_t end = std::min(size_, known_ + kWindow);
    note_absent(known_, end);
    known_ = end;
  }
  if (absent_.empty()) return;
  // The kernel may read far ahead, into pages that nobody has asked about yet, so it reads what it is told to here.
  if (!std::exchange(reads_ahead_, true)) ::posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM);
  asked_ = std::max(asked_, page_start(position_));
  while (asked_ < std::min(size_, position_ + ahead_)) {
    ::posix_fadvise(fd_, static_cast<off_t>(asked_), static_cast<off_t>(ahead_), POSIX_FADV_WILLNEED);
    asked_ += ahead_;
  }
  // What lies behind is not wanted again. Once a window is often enough.
  if (position_ % kWindow < kChunk) drop_until(page_start(position_));
}

void QuietReader::look_at_all() {
  if (size_ == 0 || known_ == size_ || size_ > kChunk) return;
  note_absent(0, size_);
  known_ = size_;
}

void QuietReader::look_at_rest() {
  if (size_ == 0 || known_ == size_ || size_ > kChunk) return;
  const std::uint64_t from = page_start(position_);
  known_ = size_;
  if (size_ - from <= page_size()) return absent_.push_back({from, from + page_size()});  // no need to ask
  note_absent(from, size_);
  // Who neither owns the file nor may act as its owner, which O_NOATIME takes as well, is told that all is in memory.
  // Then the pages behind one that was not are given back with it.
  if (absent_.empty() && (::fcntl(fd_, F_GETFL) & O_NOATIME) == 0)
    absent_.push_back({from, page_start(size_ + page_size() - 1)});
}

void QuietReader::note_absent(std::uint64_t begin, std::uint64_t end) {
  const std::size_t length = end - begin;
  // Nothing is touched through the mapping; it is how mincore(2) is told the file.
  void* mapping = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(begin));
  if (mapping == MAP_FAILED) return;
  std::array<unsigned char, kWindow / kSmallestPage> resident;  // NOLINT: filled by the kernel
  if (::mincore(mapping, length, resident.data()) == 0) {
    for (std::uint64_t at = begin; at < end; at += page_size()) {
      if ((resident[(at - begin) / page_size()] & 1U) != 0) continue;
      if (absent_.empty() || absent_.back().end != at) absent_.push_back({at, at});
      absent_.back().end = at + page_size();
    }
  }
  ::munmap(mapping, length);
}

void QuietReader::drop_until(std::uint64_t limit) {
  std::erase_if(absent_, [&](const Range& range) {
    if (range.begin >= limit) return false;
    // Always from the range's beginning: a large folio goes only as a whole, so the last one may still be there.
    drop(fd_, range.begin, std::min(range.end, limit) - range.begin);
    return range.end + kWindow <= limit;
  });
}

void QuietReader::forget() {
  const int error = errno;
  // Also what the kernel read ahead and nobody asked for.
  drop_until(UINT64_MAX - kWindow);
  errno = error;
}

}  // namespace driftd::scanner
