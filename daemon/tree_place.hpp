#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "daemon/config.hpp"
#include "manifests/rel_path.hpp"
#include "scanner/exemptions.hpp"

namespace driftd::daemon {

/// Where a tree lies: absolute, with links resolved as far as something is there.
struct TreePlace {
  std::filesystem::path root;
  std::filesystem::path manifest;
  /// As it is named: a link of that name is a manifest's place, too.
  std::filesystem::path manifest_name;
  bool is_remote = false;  ///< on a network or FUSE file system
  bool is_known = false;   ///< by asking the file system

  bool operator==(const TreePlace&) const = default;
};

/// By the tree's name.
using TreePlaces = std::map<std::string, TreePlace>;

/// With links resolved as far as something is there: a root that is gone is still the tree's.
std::filesystem::path resolved(const std::filesystem::path& path);

/// `path` below `root`, both as they are written; nothing where it is elsewhere, or the root itself.
std::optional<manifests::RelPath> beneath(const std::filesystem::path& root, const std::filesystem::path& path);

/// Asks the tree's file system, so it may hang.
TreePlace find_place(const TreeConfig& tree);
/// As the configuration has it: for a tree whose file system has not answered yet.
TreePlace written_place(const TreeConfig& tree);

/// What is not the manifest's business below `root`: other trees, and all trees' manifests. `name` is the tree's own.
scanner::Exemptions exemptions_for(const std::string& name, const TreePlaces& places);

}  // namespace driftd::daemon
