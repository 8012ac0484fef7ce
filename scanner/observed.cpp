#include "scanner/observed.hpp"

#include <sys/stat.h>

#include <cstdlib>

namespace driftd::scanner {

std::string_view to_string(FileType type) {
  switch (type) {
    case FileType::file: return "file";
    case FileType::directory: return "directory";
    case FileType::symlink: return "symlink";
    case FileType::fifo: return "fifo";
    case FileType::socket: return "socket";
    case FileType::character_device: return "character device";
    case FileType::block_device: return "block device";
  }
  std::abort();
}

bool were_names_changed_last(const struct statx& status) {
  const statx_timestamp& modified = status.stx_mtime;
  const statx_timestamp& changed = status.stx_ctime;
  return S_ISDIR(status.stx_mode) && modified.tv_sec == changed.tv_sec && modified.tv_nsec == changed.tv_nsec;
}

FileType file_type(std::uint32_t st_mode) {
  switch (st_mode & S_IFMT) {
    case S_IFDIR: return FileType::directory;
    case S_IFLNK: return FileType::symlink;
    case S_IFIFO: return FileType::fifo;
    case S_IFSOCK: return FileType::socket;
    case S_IFCHR: return FileType::character_device;
    case S_IFBLK: return FileType::block_device;
    default: return FileType::file;
  }
}

}  // namespace driftd::scanner
