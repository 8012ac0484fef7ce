#include "scanner/look.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace driftd::scanner {
namespace {

unsigned char directory_entry_type(FileType type) {
  switch (type) {
    case FileType::file: return DT_REG;
    case FileType::directory: return DT_DIR;
    case FileType::symlink: return DT_LNK;
    default: return DT_FIFO;  // anything that no manifest lists
  }
}

}  // namespace

Look look_at(int directory, const char* name) {
  struct stat status {};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return {errno, DT_UNKNOWN, 0};
  return {0, directory_entry_type(file_type(status.st_mode)), status.st_ino};
}

}  // namespace driftd::scanner
