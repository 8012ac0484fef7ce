#include "scanner/known_files.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::RelPath;

/// Newer ones beside a base of that size. What is copied with each addition, and how often the base is, are balanced.
constexpr std::size_t most_beside(std::size_t base) { return 1024 + base / 64; }

/// Those of `files`, without those whose entry has another in `newer`; both and the result are sorted.
std::vector<KnownFile> merged(const std::vector<KnownFile>& files, const std::vector<KnownFile>& newer) {
  std::vector<EntryIndex> entries;
  entries.reserve(newer.size());
  for (const KnownFile& one : newer) entries.push_back(one.entry);
  std::sort(entries.begin(), entries.end());
  std::vector<KnownFile> all;
  all.reserve(files.size() + newer.size());
  auto next = newer.begin();
  for (const KnownFile& one : files) {
    if (std::binary_search(entries.begin(), entries.end(), one.entry)) continue;
    for (; next != newer.end() && *next < one; ++next) all.push_back(*next);
    all.push_back(one);
  }
  all.insert(all.end(), next, newer.end());
  return all;
}

}  // namespace

FileNumber file_number(const FileHandle& handle) {
  const std::uint64_t number = std::hash<std::string_view>()(handle.bytes) + static_cast<std::uint64_t>(handle.type);
  return number == 0 ? 1 : number;
}

KnownFiles::KnownFiles(Manifest manifest, std::vector<KnownFile> files) : manifest_(std::move(manifest)) {
  static_assert(sizeof(KnownFile) == 16);
  if (!std::is_sorted(files.begin(), files.end())) std::sort(files.begin(), files.end());
  base_ = std::make_shared<const std::vector<KnownFile>>(std::move(files));
}

KnownFiles KnownFiles::with(std::vector<KnownFile> newer) const {
  if (newer.empty()) return *this;
  std::sort(newer.begin(), newer.end());
  KnownFiles all = *this;
  all.newer_ = std::make_shared<const std::vector<KnownFile>>(merged(*newer_, newer));
  if (all.newer_->size() > most_beside(base_->size())) {
    all.base_ = std::make_shared<const std::vector<KnownFile>>(merged(*base_, *all.newer_));
    all.newer_ = std::make_shared<const std::vector<KnownFile>>();
  }
  return all;
}

KnownFiles KnownFiles::with(const KnownFiles& newer) const { return with(merged(*newer.base_, *newer.newer_)); }

bool KnownFiles::holds(const KnownFile& file) const {
  return std::binary_search(newer_->begin(), newer_->end(), file) ||
         std::binary_search(base_->begin(), base_->end(), file);
}

bool KnownFiles::knows(FileNumber file) const {
  const auto holds = [&](const Files& files) {
    const auto at = std::lower_bound(files->begin(), files->end(), KnownFile{file, 0});
    return at != files->end() && at->file == file;
  };
  return holds(newer_) || holds(base_);
}

void KnownFiles::add_to(Scope& scope, FileNumber file) const {
  for (const Files& files : {newer_, base_}) {
    auto at = std::lower_bound(files->begin(), files->end(), KnownFile{file, 0});
    for (; at != files->end() && at->file == file; ++at) {
      if (const auto path = RelPath::parse(manifest_->manifest().path(at->entry))) scope.add(*path);
    }
  }
}

}  // namespace driftd::scanner
