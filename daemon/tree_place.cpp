#include "daemon/tree_place.hpp"

#include <system_error>

#include "scanner/tree_root.hpp"

namespace driftd::daemon {

namespace fs = std::filesystem;
using manifests::RelPath;

fs::path resolved(const fs::path& path) {
  std::error_code error;
  auto real = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal() : real;
}

std::optional<RelPath> beneath(const fs::path& root, const fs::path& path) {
  return RelPath::parse(path.lexically_relative(root).native());
}

TreePlace find_place(const TreeConfig& tree) {
  const fs::path manifest(tree.manifest);
  return {.root = resolved(tree.root),
          .manifest = resolved(manifest),
          .manifest_name = resolved(manifest.parent_path()) / manifest.filename(),
          .is_remote = scanner::is_remote(tree.root),
          .is_known = true};
}

TreePlace written_place(const TreeConfig& tree) {
  const fs::path manifest = fs::path(tree.manifest).lexically_normal();
  return {.root = fs::path(tree.root).lexically_normal(), .manifest = manifest, .manifest_name = manifest};
}

scanner::Exemptions exemptions_for(const std::string& name, const TreePlaces& places) {
  scanner::Exemptions exemptions;
  const fs::path& root = places.at(name).root;
  for (const auto& [other, place] : places) {
    for (const fs::path& manifest : {place.manifest, place.manifest_name}) {
      if (const auto path = beneath(root, manifest)) exemptions.add_manifest(*path);
    }
    if (other == name) continue;
    if (const auto path = beneath(root, place.root)) exemptions.add_nested_tree(*path);
  }
  return exemptions;
}

}  // namespace driftd::daemon
