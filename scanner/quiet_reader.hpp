#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace driftd::scanner {

/// Reads one open file from front to back, and leaves the page cache as it was: pages that were not in memory before
/// are given back once they were read, so that a scan of cold data does not push out what the host's applications
/// work with. Pages that were in memory stay. The descriptor must outlive the reader.
class QuietReader {
 public:
  /// Reads of this size at most, and files up to it are told apart by a single read.
  static constexpr std::size_t kChunk = 256 * 1024;

  /// Of large files that are not in memory, as much is on its way while as much is hashed.
  static constexpr std::uint64_t kAhead = 2 * 1024 * 1024;

  /// `ahead`: instead of kAhead; a multiple of the page size.
  QuietReader(int fd, std::uint64_t size, std::uint64_t ahead = kAhead) : fd_(fd), size_(size), ahead_(ahead) {}
  QuietReader(const QuietReader&) = delete;
  QuietReader& operator=(const QuietReader&) = delete;
  ~QuietReader() { forget(); }

  /// As read(2): the next bytes, 0 at the end, or -1 with errno. `length` is at most kChunk.
  ssize_t read(unsigned char* buffer, std::size_t length);

  /// As read(), but where the next bytes are not in memory, -1 with EAGAIN, and they are on their way from the disk.
  ssize_t read_if_cached(unsigned char* buffer, std::size_t length);

 private:
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  ssize_t read_what_is_cached(unsigned char* buffer, std::size_t length);
  ssize_t read_at_position(unsigned char* buffer, std::size_t length, int flags);
  void look_ahead();
  /// Of a small file, where no read refuses to wait: on overlayfs, FUSE, NFS and old kernels' tmpfs.
  void look_at_all();
  /// Of a small file whose page at the position was not in memory.
  void look_at_rest();
  void note_absent(std::uint64_t begin, std::uint64_t end);
  void drop_until(std::uint64_t limit);
  void forget();

  const int fd_;
  const std::uint64_t size_;
  const std::uint64_t ahead_;
  std::uint64_t position_ = 0;
  /// What was not in memory, up to `known_`; asked before any of it is read, since the kernel reads ahead. Of small
  /// files that are in memory nothing is asked.
  std::vector<Range> absent_;
  std::uint64_t known_ = 0;
  std::uint64_t asked_ = 0;   ///< from the disk, up to here
  bool reads_ahead_ = false;  ///< instead of the kernel
};

}  // namespace driftd::scanner
