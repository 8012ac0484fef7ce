#include "daemon/tree_place.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdint>
#include <optional>
#include <system_error>

#include "manifests/rel_path.hpp"

namespace driftd::daemon {
namespace {

namespace fs = std::filesystem;
using manifests::RelPath;

/// Where answers come from another host or a program.
bool is_remote(const fs::path& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return false;
  switch (static_cast<std::uint32_t>(status.f_type)) {
    case AFS_FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case NFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case V9FS_MAGIC: return true;
    default: return false;
  }
}

/// `path` below `root`; nothing where it is elsewhere, or the root itself.
std::optional<RelPath> beneath(const fs::path& root, const fs::path& path) {
  return RelPath::parse(path.lexically_relative(root).native());
}

}  // namespace

fs::path resolved(const fs::path& path) {
  std::error_code error;
  auto real = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal() : real;
}

TreePlace find_place(const TreeConfig& tree) {
  return {resolved(tree.root), resolved(tree.manifest), is_remote(tree.root), true};
}

TreePlace written_place(const TreeConfig& tree) {
  return {fs::path(tree.root).lexically_normal(), fs::path(tree.manifest).lexically_normal(), false, false};
}

scanner::Exemptions exemptions_for(const std::string& name, const TreePlaces& places) {
  scanner::Exemptions exemptions;
  const fs::path& root = places.at(name).root;
  for (const auto& [other, place] : places) {
    if (const auto path = beneath(root, place.manifest)) exemptions.add_manifest(*path);
    if (other == name) continue;
    if (const auto path = beneath(root, place.root)) exemptions.add_nested_tree(*path);
  }
  return exemptions;
}

}  // namespace driftd::daemon
