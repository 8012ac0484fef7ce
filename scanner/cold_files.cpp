#include "scanner/cold_files.hpp"

#include <algorithm>

namespace driftd::scanner {
namespace {

/// Long enough that the disk reads in order, short enough that workers end together.
constexpr std::size_t kRun = 256;

}  // namespace

void ColdFiles::add(std::vector<ListedFile> files) {
  if (files_.empty()) return files_.swap(files);
  files_.insert(files_.end(), files.begin(), files.end());
}

void ColdFiles::sort() {
  std::sort(files_.begin(), files_.end(), [](const ListedFile& a, const ListedFile& b) { return a.inode < b.inode; });
}

std::span<const ListedFile> ColdFiles::next() {
  const std::size_t begin = std::min(next_.fetch_add(kRun, std::memory_order_relaxed), files_.size());
  return std::span(files_).subspan(begin, std::min(kRun, files_.size() - begin));
}

}  // namespace driftd::scanner
