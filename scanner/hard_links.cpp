#include "scanner/hard_links.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {

using manifests::RelPath;

FileNumber file_number(const FileHandle& handle) {
  const std::uint64_t number = std::hash<std::string_view>()(handle.bytes) + static_cast<std::uint64_t>(handle.type);
  return number == 0 ? 1 : number;
}

HardLinks::HardLinks(std::shared_ptr<const manifests::VerifiedManifest> manifest, std::vector<LinkedEntry> entries)
    : manifest_(std::move(manifest)), entries_(std::move(entries)) {
  std::sort(entries_.begin(), entries_.end());
}

std::shared_ptr<const HardLinks> HardLinks::with(const std::vector<LinkedEntry>& entries) const {
  const auto is_known = [&](const LinkedEntry& entry) {
    return std::binary_search(entries_.begin(), entries_.end(), entry);
  };
  if (std::all_of(entries.begin(), entries.end(), is_known)) return nullptr;
  std::vector<LinkedEntry> all = entries_;
  std::remove_copy_if(entries.begin(), entries.end(), std::back_inserter(all), is_known);
  return std::make_shared<const HardLinks>(manifest_, std::move(all));
}

std::vector<LinkedEntry>::const_iterator HardLinks::first(FileNumber file) const {
  return std::lower_bound(entries_.begin(), entries_.end(), LinkedEntry{file, 0});
}

bool HardLinks::knows(FileNumber file) const {
  const auto at = first(file);
  return at != entries_.end() && at->file == file;
}

void HardLinks::add_to(Scope& scope, FileNumber file) const {
  for (auto at = first(file); at != entries_.end() && at->file == file; ++at) {
    if (const auto path = RelPath::parse(manifest_->manifest().path(at->entry))) scope.add(*path);
  }
}

}  // namespace driftd::scanner
