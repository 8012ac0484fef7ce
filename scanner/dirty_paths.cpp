#include "scanner/dirty_paths.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

namespace driftd::scanner {
namespace {

using manifests::RelPath;
using manifests::UniqueFd;

/// No path: a component cannot be a slash.
constexpr const char* kAnywhere = "/";

/// Found by walking up, for a directory that is too deep to have a path. In doubt it is.
bool is_beneath(int root, const UniqueFd& directory) {
  constexpr int kDeepest = 1'000'000;
  struct stat top {};
  struct stat at {};
  if (::fstat(root, &top) != 0 || ::fstat(directory.get(), &at) != 0) return true;
  UniqueFd held;
  int fd = directory.get();
  for (int level = 0; level < kDeepest; ++level) {
    if (at.st_ino == top.st_ino && at.st_dev == top.st_dev) return true;
    UniqueFd above(::openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (!above || ::fstat(above.get(), &status) != 0) return true;
    if (status.st_ino == at.st_ino && status.st_dev == at.st_dev) return false;  // the root of all
    at = status;
    held = std::move(above);
    fd = held.get();
  }
  return true;
}

/// The directory's path below `root`, empty for the root itself; nothing where it is elsewhere or gone. What cannot be
/// found out may be anywhere in the tree, and counts as the root with all below.
std::optional<std::string> directory_beneath(int root, const std::string& root_path, const WatchEvent& event) {
  const UniqueFd directory = open_by_handle(root, {event.handle_type, event.handle}, O_PATH);
  if (!directory && (errno == ESTALE || errno == EINVAL)) return std::nullopt;
  if (!directory) return kAnywhere;
  const auto path = place_of(directory.get());
  if (!path && !is_beneath(root, directory)) return std::nullopt;
  if (!path) return kAnywhere;  // deeper than PATH_MAX
  if (*path == root_path) return "";
  const std::string prefix = root_path == "/" ? root_path : root_path + "/";
  if (!path->starts_with(prefix)) return std::nullopt;
  return path->substr(prefix.size());
}

void add(Dirty& dirty, const std::string& directory, const std::string& name) {
  std::string path = directory;
  if (name != ".") {
    if (!path.empty()) path += '/';
    path += name;
  }
  const auto relative = directory == kAnywhere ? std::nullopt : RelPath::parse(path);
  // The root itself has no path.
  relative ? dirty.paths.add(*relative) : void(dirty.anywhere = true);
}

}  // namespace

std::optional<Dirty> DirtyPaths::look_up(const std::vector<WatchEvent>& events, const KnownFiles& known) const {
  const auto root = TreeRoot::open(root_);
  if (!root || !root->identity.is_same_directory(identity_)) return std::nullopt;
  const auto root_path = place_of(root->fd.get());
  if (!root_path) return std::nullopt;
  Dirty dirty;
  // Many events share a directory.
  std::map<std::string, std::optional<std::string>> directories;
  for (const WatchEvent& event : events) {
    if (!may_concern(event)) continue;
    if (!event.target.bytes.empty()) known.add_to(dirty.paths, file_number(event.target));
    if (event.handle.empty()) continue;
    auto [at, fresh] = directories.try_emplace(event.handle);
    if (fresh) at->second = directory_beneath(root->fd.get(), *root_path, event);
    if (at->second) add(dirty, *at->second, event.name);
  }
  return dirty;
}

std::optional<Scope> DirtyPaths::resolve(const std::vector<WatchEvent>& events, const KnownFiles& known) const {
  auto dirty = look_up(events, known);
  if (!dirty) return std::nullopt;
  if (dirty->anywhere) dirty->paths.add_whole();
  return std::move(dirty->paths);
}

}  // namespace driftd::scanner
