#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "manifests/manifest.hpp"

namespace driftd::scanner {

/// A regular file that an entry lists, as its directory's listing has it.
struct ListedFile {
  std::uint64_t inode;
  manifests::EntryIndex entry;
};

/// Whether the files of the next directory are in memory, guessed from those before: where one had to come from the
/// disk, so will its neighbours, and finding that out again at every directory would be a read out of order for each.
class Coldness {
 public:
  /// Asked once a directory.
  bool presumed() {
    if (skip_ == 0) return false;
    --skip_;
    return true;
  }
  /// How it was with a file that was looked at.
  void seen(bool is_cold) {
    if (!is_cold) return void(next_skip_ = 0);
    skip_ = next_skip_;
    next_skip_ = std::min(2 * next_skip_ + 1, kMostSkipped);
  }

 private:
  static constexpr unsigned kMostSkipped = 63;
  unsigned skip_ = 0;       ///< directories that are taken for cold without a look
  unsigned next_skip_ = 0;  ///< as many next time
};

/// Files that have to be read from the disk, in the order in which they probably lie there: file systems lay out inodes
/// and data by inode number, and directories list by hash. Workers take them run by run.
class ColdFiles {
 public:
  /// Both before the first next().
  void add(std::vector<ListedFile> files);
  void sort();

  [[nodiscard]] bool empty() const { return files_.empty(); }

  /// The next run; empty at the end. Any thread may call it.
  std::span<const ListedFile> next();

 private:
  std::vector<ListedFile> files_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace driftd::scanner
