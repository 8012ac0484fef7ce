#include "scanner/left_as_listed.hpp"

#include <set>
#include <string_view>

#include "scanner/judge.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::Manifest;

bool says_what_it_is(const Manifest& manifest, EntryIndex entry) {
  switch (manifest.type(entry)) {
    case EntryType::file: return content_wanted(manifest, entry).any();
    case EntryType::directory: return !manifest.ignore(entry);
    case EntryType::symlink: break;
  }
  return true;
}

/// All that the scan did not find as it should be.
class Blemishes {
 public:
  explicit Blemishes(const ScanResult& result) {
    for (const auto* findings : {&result.findings, &result.pending}) {
      for (const Finding& finding : *findings) paths_.emplace(finding.path);
    }
    for (const Unverified& one : result.unverified) paths_.emplace(one.path);
  }

  /// There is one at `path`, above or below it.
  [[nodiscard]] bool touch(const std::string& path) const {
    if (paths_.contains(path) || paths_.contains(".")) return true;
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      if (paths_.contains(std::string_view(path).substr(0, slash))) return true;
    }
    const std::string prefix = path + "/";
    const auto below = paths_.lower_bound(prefix);
    return below != paths_.end() && below->starts_with(prefix);
  }

 private:
  std::set<std::string_view> paths_;
};

}  // namespace

std::vector<std::string> left_as_listed(const Manifest& manifest, const Scope& asked, const ScanResult& result) {
  const Blemishes blemishes(result);
  std::vector<std::string> paths;
  for (const manifests::RelPath& path : asked.paths()) {
    const auto entry = manifest.find(path.str());
    if (entry && says_what_it_is(manifest, *entry) && !blemishes.touch(path.str())) paths.push_back(path.str());
  }
  return paths;
}

}  // namespace driftd::scanner
