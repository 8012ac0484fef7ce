#include "scanner/look.hpp"

#include <sys/stat.h>

#include <string_view>

#include "scanner/safe_open.hpp"

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
  const manifests::UniqueFd there = reach_beneath(directory, name);
  struct stat status {};
  if (!there || ::fstat(there.get(), &status) != 0) return {errno, DT_UNKNOWN, 0};
  return {0, directory_entry_type(file_type(status.st_mode)), status.st_ino};
}

Look look_beneath(int root, const manifests::RelPath& path) {
  const std::string_view text = path.str();
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return look_at(root, path.str().c_str());
  const manifests::UniqueFd directory = open_directory_beneath(root, text.substr(0, slash));
  if (!directory) return {errno, DT_UNKNOWN, 0};
  return look_at(directory.get(), path.str().c_str() + slash + 1);
}

}  // namespace driftd::scanner
