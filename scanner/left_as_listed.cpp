#include "scanner/left_as_listed.hpp"

#include <set>
#include <string_view>

#include "scanner/judge.hpp"
#include "scanner/ruling.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::Manifest;
using manifests::RelPath;

bool says_what_it_is(const Manifest& manifest, EntryIndex entry) {
  if (manifest.optional(entry)) return false;
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
      for (const Finding& finding : *findings) {
        at_.emplace(finding.path);
        // What is below a directory that has but other attributes was looked at.
        if (finding.kind != DriftKind::metadata) hiding_.emplace(finding.path);
      }
    }
    for (const Unverified& one : result.unverified) {
      at_.emplace(one.path);
      hiding_.emplace(one.path);
    }
  }

  [[nodiscard]] bool have(std::string_view path) const {
    if (at_.contains(path) || hiding_.contains(".")) return true;
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
      if (hiding_.contains(path.substr(0, slash))) return true;
    }
    return false;
  }

 private:
  std::set<std::string_view> at_;
  std::set<std::string_view> hiding_;  ///< and what is below
};

}  // namespace

std::vector<std::string> left_as_listed(const ScanPlan& plan, const ScanResult& result) {
  std::vector<std::string> paths;
  if (result.evidence.empty()) return paths;
  const Blemishes blemishes(result);
  for (const auto& [path, evidence] : result.evidence) {
    const auto relative = RelPath::parse(path);
    if (!relative || blemishes.have(path)) continue;
    // Another tree's path is not this scan's business.
    const Ruling ruling = ruling_for(plan, *relative);
    const bool is_listed = ruling.rule == Rule::listed && ruling.at == path;
    if (is_listed && says_what_it_is(plan.manifest->manifest(), *ruling.entry)) paths.push_back(path);
  }
  return paths;
}

}  // namespace driftd::scanner
