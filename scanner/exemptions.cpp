#include "scanner/exemptions.hpp"

#include <algorithm>

#include "manifests/signed_file.hpp"

namespace driftd::scanner {

using manifests::RelPath;

Exemptions::Directory& Exemptions::at(const RelPath& path) {
  const auto parent = path.parent();
  if (parent) at(*parent).passages_.emplace_back(parent->name());
  return directories_[parent ? parent->str() : "."];
}

void Exemptions::add_manifest(const RelPath& path) { at(path).manifests_.emplace_back(path.name()); }

void Exemptions::add_nested_tree(const RelPath& root) { at(root).nested_.emplace_back(root.name()); }

const Exemptions::Directory* Exemptions::in(std::string_view directory) const {
  if (directories_.empty()) return nullptr;
  const auto found = directories_.find(directory);
  return found == directories_.end() ? nullptr : &found->second;
}

Exemptions::Verdict Exemptions::Directory::judge(std::string_view name) const {
  const auto is_among = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is_among(nested_)) return Verdict::nested;
  if (std::any_of(manifests_.begin(), manifests_.end(),
                  [&](const std::string& manifest) { return manifests::belongs_to_manifest(name, manifest); })) {
    return Verdict::manifest;
  }
  return is_among(passages_) ? Verdict::passage : Verdict::none;
}

}  // namespace driftd::scanner
