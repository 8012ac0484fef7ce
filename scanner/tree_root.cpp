#include "scanner/tree_root.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>

namespace driftd::scanner {
namespace {

using manifests::Error;
using manifests::Result;
using manifests::UniqueFd;

/// linux/stat.h; younger than the headers of the oldest system that we build on.
constexpr unsigned kMountIdUnique = 0x4000;

/// statfs(2) f_type of what linux/magic.h does not have: from the kernel's fs/gfs2, and those file systems' own
/// headers.
constexpr std::uint32_t kGfs2 = 0x01161970;
constexpr std::uint32_t kGpfs = 0x47504653;
constexpr std::uint32_t kLustre = 0x0BD00BD0;

/// A file_handle ends in an array without a size.
struct HandleBuffer {
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> storage{};

  file_handle* get() { return reinterpret_cast<file_handle*>(storage.data()); }
  unsigned char* bytes() { return storage.data() + offsetof(file_handle, f_handle); }
};

}  // namespace

Result<TreeRoot::Identity> TreeRoot::identify(int directory) {
  Identity identity;
  struct statx status {};
  // A kernel that does not know the unique number leaves it out; then it is asked for the other one.
  if (::statx(directory, "", AT_EMPTY_PATH, STATX_INO | kMountIdUnique, &status) != 0) {
    return manifests::system_error("statx", errno);
  }
  if ((status.stx_mask & kMountIdUnique) != 0) identity.unique_mount = status.stx_mnt_id;
  if (::statx(directory, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &status) != 0) {
    return manifests::system_error("statx", errno);
  }
  identity.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  identity.inode = status.stx_ino;
  identity.mount = status.stx_mnt_id;
  return identity;
}

Result<TreeRoot::Identity> TreeRoot::identify(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return manifests::system_error(path, errno);
  const auto identity = identify(directory.get());
  if (!identity) return manifests::with_context(path, identity.error());
  return *identity;
}

Result<TreeRoot> TreeRoot::open(const std::string& path) {
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
  if (!directory) return manifests::system_error(path, errno);
  const auto identity = identify(directory.get());
  if (!identity) return Error{identity.error().code, path + ": " + identity.error().message};
  return TreeRoot{std::move(directory), *identity};
}

Result<FileSystemId> TreeRoot::file_system() const {
  struct statfs status {};
  if (::fstatfs(fd.get(), &status) != 0) return manifests::system_error("statfs", errno);
  FileSystemId id{};
  static_assert(sizeof status.f_fsid == sizeof id);
  std::memcpy(id.data(), &status.f_fsid, sizeof id);
  return id;
}

bool is_remote(const std::string& path) {
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
    case OCFS2_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case V9FS_MAGIC:
    case kGfs2:
    case kGpfs:
    case kLustre: return true;
    default: return false;
  }
}

bool hides_mapped_stores(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return false;
  const auto type = static_cast<std::uint32_t>(status.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC || type == HUGETLBFS_MAGIC;
}

std::optional<std::string> place_of(int directory) {
  const std::string link = "/proc/self/fd/" + std::to_string(directory);
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0) return std::nullopt;
  path.resize(static_cast<std::size_t>(length));
  return path;
}

UniqueFd open_by_handle(int mount, const FileHandle& handle, int flags) {
  if (handle.bytes.size() > MAX_HANDLE_SZ) {
    errno = EINVAL;
    return {};
  }
  HandleBuffer buffer;
  buffer.get()->handle_bytes = static_cast<unsigned>(handle.bytes.size());
  buffer.get()->handle_type = handle.type;
  std::memcpy(buffer.bytes(), handle.bytes.data(), handle.bytes.size());
  // A directory that is being removed or moved may give ENOMEM for a moment, where memory there is.
  constexpr int kAttempts = 10;
  UniqueFd opened;
  for (int attempt = 0; attempt < kAttempts && !opened; ++attempt) {
    if (attempt > 0) ::sched_yield();
    opened.reset(::open_by_handle_at(mount, buffer.get(), flags | O_CLOEXEC));
    if (!opened && errno != ENOMEM) break;
  }
  return opened;
}

Result<FileHandle> handle_of(int directory, const char* name) {
  HandleBuffer buffer;
  buffer.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (::name_to_handle_at(directory, name, buffer.get(), &mount, *name == '\0' ? AT_EMPTY_PATH : 0) != 0) {
    return manifests::system_error(name, errno);
  }
  return FileHandle{buffer.get()->handle_type,
                    std::string(reinterpret_cast<const char*>(buffer.bytes()), buffer.get()->handle_bytes)};
}

}  // namespace driftd::scanner
