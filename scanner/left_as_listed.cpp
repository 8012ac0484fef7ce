#include "scanner/left_as_listed.hpp"

#include <algorithm>
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

/// What the scan says of that path alone; null: nothing. Both are sorted.
template <class Item>
const Item* find(const std::vector<Item>& items, std::string_view path) {
  const auto at = std::lower_bound(items.begin(), items.end(), path,
                                   [](const Item& item, std::string_view value) { return item.path < value; });
  return at != items.end() && at->path == path ? &*at : nullptr;
}

/// Whether the scan did not look at what is below the path.
bool hides(const ScanResult& result, std::string_view path) {
  for (const auto* findings : {&result.findings, &result.pending}) {
    const Finding* finding = find(*findings, path);
    // Of a directory that has but other attributes it did.
    if (finding != nullptr && finding->kind != DriftKind::metadata) return true;
  }
  return find(result.unverified, path) != nullptr;
}

bool is_as_it_should_be(const ScanResult& result, std::string_view path) {
  if (find(result.findings, path) != nullptr || find(result.pending, path) != nullptr) return false;
  if (find(result.unverified, path) != nullptr || hides(result, ".")) return false;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    if (hides(result, path.substr(0, slash))) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> left_as_listed(const ScanPlan& plan, const ScanResult& result) {
  std::vector<std::string> paths;
  for (const auto& [path, evidence] : result.evidence) {
    const auto relative = RelPath::parse(path);
    if (!relative || !is_as_it_should_be(result, path)) continue;
    // Another tree's path is not this scan's business.
    const Ruling ruling = ruling_for(plan, *relative);
    const bool is_listed = ruling.rule == Rule::listed && ruling.at == path;
    if (is_listed && says_what_it_is(plan.manifest->manifest(), *ruling.entry)) paths.push_back(path);
  }
  return paths;
}

}  // namespace driftd::scanner
