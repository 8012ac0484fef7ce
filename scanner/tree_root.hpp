#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "manifests/error.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::scanner {

/// statfs(2) f_fsid, by which the kernel's change events name a file system.
using FileSystemId = std::array<int, 2>;

/// A tree's root directory, open for as short a time as can be: while it is, nobody can unmount its file system.
struct TreeRoot {
  /// Which directory it is, and on which mount it was reached.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    std::uint64_t mount = 0;         ///< as in /proc/self/mountinfo; the number of a mount that is gone is used again
    std::uint64_t unique_mount = 0;  ///< which never is; 0 before Linux 6.8
    friend bool operator==(const Identity&, const Identity&) = default;

    /// Though perhaps through another mount.
    [[nodiscard]] bool is_same_directory(const Identity& other) const {
      return device == other.device && inode == other.inode;
    }
  };

  manifests::UniqueFd fd;
  Identity identity;

  static manifests::Result<Identity> identify(int directory);
  /// Of where it leads now, links followed; needs no right to read that.
  static manifests::Result<Identity> identify(const std::string& path);

  /// Follows links. Fails (`io`) where no directory is there that can be opened.
  static manifests::Result<TreeRoot> open(const std::string& path);

  [[nodiscard]] manifests::Result<FileSystemId> file_system() const;
};

/// Whether what is there is answered for by another host or a program, and may change without this kernel knowing: a
/// network, cluster or FUSE file system.
bool is_remote(const std::string& path);

/// Whether a store through a mapping need not show in the file's times there, since its file system is in memory: a
/// page that was read through the mapping first is writable already (the kernel's mm/shmem.c, fs/hugetlbfs).
bool hides_mapped_stores(const std::string& path);

/// Where an open directory stands now, as this process sees it. Nothing where that is too deep to have a path.
std::optional<std::string> place_of(int directory);

/// A file's or directory's handle as name_to_handle_at(2) and change events give it.
struct FileHandle {
  int type = 0;
  std::string bytes;
  friend bool operator==(const FileHandle&, const FileHandle&) = default;
};

/// Opens what has the handle, on the file system of the open directory `mount` (not by O_PATH). Empty with errno set
/// where it cannot: ESTALE for what is gone, EPERM without CAP_DAC_READ_SEARCH.
manifests::UniqueFd open_by_handle(int mount, const FileHandle& handle, int flags);

/// Of `name` in `directory`, or of `directory` itself where `name` is empty. Follows no link. Fails (`io`) where the
/// file system has no handles.
manifests::Result<FileHandle> handle_of(int directory, const char* name);

}  // namespace driftd::scanner
