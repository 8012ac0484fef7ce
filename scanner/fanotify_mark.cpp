#include "scanner/fanotify_mark.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

namespace driftd::scanner {
namespace {

using manifests::Result;
using manifests::UniqueFd;

bool mark(int group, unsigned action, std::uint64_t mask, int directory) {
  return ::fanotify_mark(group, action | FAN_MARK_FILESYSTEM, mask, directory, nullptr) == 0;
}

bool is_btrfs(int directory) {
  struct statfs status {};
  return ::fstatfs(directory, &status) == 0 && status.f_type == BTRFS_SUPER_MAGIC;
}

/// The top of the btrfs that holds `directory`. It need not be mounted anywhere: its handle is known (struct btrfs_fid
/// of linux/fs/btrfs/export.h: inode 256 of tree 5, any generation).
UniqueFd open_btrfs_top(int directory) {
  if (!is_btrfs(directory)) {
    errno = EXDEV;
    return {};
  }
  constexpr int kFileIdWithoutParent = 0x4d;
  constexpr std::uint64_t kInode = 256;
  constexpr std::uint64_t kTree = 5;
  FileHandle top{kFileIdWithoutParent, std::string(sizeof kInode + sizeof kTree + sizeof(std::uint32_t), '\0')};
  std::memcpy(top.bytes.data(), &kInode, sizeof kInode);
  std::memcpy(top.bytes.data() + sizeof kInode, &kTree, sizeof kTree);
  return open_by_handle(directory, top, O_RDONLY | O_DIRECTORY);
}

}  // namespace

Result<FileSystemId> mark_file_system(int group, const TreeRoot& root, std::uint64_t mask) {
  if (mark(group, FAN_MARK_ADD, mask, root.fd.get())) return root.file_system();
  if (errno != EXDEV) return manifests::system_error("fanotify", errno);
  const TreeRoot top{open_btrfs_top(root.fd.get()), {}};
  if (!top.fd || !mark(group, FAN_MARK_ADD, mask, top.fd.get())) return manifests::system_error("fanotify", errno);
  return top.file_system();
}

Result<FileSystemId> mark_directory(int group, const TreeRoot& directory, std::uint64_t mask) {
  // In one group all marks on a btrfs have to agree on what its name is, and a subvolume has one of its own.
  if (is_btrfs(directory.fd.get())) return mark_file_system(group, directory, mask);
  if (::fanotify_mark(group, FAN_MARK_ADD, mask | FAN_EVENT_ON_CHILD, directory.fd.get(), nullptr) != 0) {
    return manifests::system_error("fanotify", errno);
  }
  return directory.file_system();
}

bool has_mark(int group, const TreeRoot& root) {
  // Taking from a mark what it does not ask for changes nothing, and fails where there is none.
  constexpr std::uint64_t kNeverAskedFor = FAN_OPEN;
  if (mark(group, FAN_MARK_REMOVE, kNeverAskedFor, root.fd.get())) return true;
  if (errno != EXDEV) return false;
  const UniqueFd top = open_btrfs_top(root.fd.get());
  return top && mark(group, FAN_MARK_REMOVE, kNeverAskedFor, top.get());
}

}  // namespace driftd::scanner
