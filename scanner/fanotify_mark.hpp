#pragma once

#include <cstdint>

#include "manifests/error.hpp"
#include "scanner/tree_root.hpp"

/// Marks of a fanotify group (fanotify_mark(2)) on whole file systems.
namespace driftd::scanner {

/// Adds one, or adds to the one that is there; gives the file system as events name it. On a btrfs subvolume it is the
/// file system around it that is marked.
manifests::Result<FileSystemId> mark_file_system(int group, const TreeRoot& root, std::uint64_t mask);

/// Adds one for the names in a directory alone; for more where the kernel takes no such mark beside one of the whole.
manifests::Result<FileSystemId> mark_directory(int group, const TreeRoot& directory, std::uint64_t mask);

/// Whether the root's file system, as it is mounted now, has one. The mark goes with the last mount, and neither the
/// device nor the number of the mount tells that from the same one mounted again.
bool has_mark(int group, const TreeRoot& root);

}  // namespace driftd::scanner
