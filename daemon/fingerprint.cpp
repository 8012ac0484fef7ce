#include "daemon/fingerprint.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "manifests/file_io.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

std::string of_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return path + " errno " + std::to_string(errno) + "\n";
  const auto time = [](const timespec& when) {
    return std::to_string(when.tv_sec) + "." + std::to_string(when.tv_nsec);
  };
  return path + " " + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + " " +
         std::to_string(status.st_size) + " " + time(status.st_mtim) + " " + time(status.st_ctim) + "\n";
}

/// Every file of a directory that `wanted` accepts, in a stable order.
template <class Wanted>
std::string of_files(const std::filesystem::path& directory, Wanted wanted) {
  std::set<std::string> paths;
  manifests::UniqueFd opened = manifests::open_to_read(AT_FDCWD, directory.native(), O_DIRECTORY);
  if (opened) {
    // What cannot be listed to its end shows when the files are read.
    (void)manifests::for_each_name(std::move(opened), directory.native(), [&](std::string_view name) {
      if (wanted(std::string(name))) paths.insert(directory / name);
    });
  }
  std::string text;
  for (const std::string& path : paths) text += of_file(path);
  return text;
}

}  // namespace

std::string root_fingerprint(const std::string& root) {
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0) return "none";
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

std::string fingerprint(const TreeConfig& tree, const TrustConfig& trust) {
  const std::filesystem::path manifest(tree.manifest);
  const std::string name = manifest.filename();
  std::string text = root_fingerprint(tree.root) + "\n";
  text += of_files(manifest.parent_path(),
                   [&](const std::string& file) { return manifests::belongs_to_manifest(file, name); });
  for (const std::string& directory : trust.directories) {
    text += of_file(directory);
    text += of_files(directory, [](const std::string&) { return true; });
  }
  return text;
}

}  // namespace driftd::daemon
