#include "scanner/event_sieve.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "manifests/unique_fd.hpp"

namespace driftd::scanner {
namespace {

using manifests::UniqueFd;
using Trees = std::vector<std::size_t>;

/// One root, by which all handles are opened.
std::optional<TreeRoot> open_any(const std::vector<WatchedTree>& trees) {
  for (const WatchedTree& tree : trees) {
    auto root = TreeRoot::open(tree.place);
    if (root && root->identity == tree.root) return std::move(*root);
  }
  return std::nullopt;
}

/// Where the trees are at this moment.
class Roots {
 public:
  Roots(int mount, const std::vector<WatchedTree>& trees) : mount_(mount) {
    for (std::size_t tree = 0; tree < trees.size(); ++tree) {
      all_.push_back(tree);
      const UniqueFd root = open_by_handle(mount, trees[tree].handle, O_PATH);
      const auto path = root ? place_of(root.get()) : std::nullopt;
      path ? by_path_[*path].push_back(tree) : anywhere_.push_back(tree);
    }
  }

  /// Those that the directory may be in.
  [[nodiscard]] Trees around(const WatchEvent& event) const {
    const UniqueFd directory = open_by_handle(mount_, {event.handle_type, event.handle}, O_PATH);
    if (!directory && (errno == ESTALE || errno == EINVAL)) return anywhere_;
    const auto path = directory ? place_of(directory.get()) : std::nullopt;
    if (!path) return all_;
    Trees trees = anywhere_;
    const auto add = [&](std::string_view at) {
      const auto found = by_path_.find(at);
      if (found != by_path_.end()) trees.insert(trees.end(), found->second.begin(), found->second.end());
    };
    add("/");
    for (std::size_t end = path->size(); end != 0 && end != std::string::npos; end = path->rfind('/', end - 1)) {
      add(std::string_view(*path).substr(0, end));
    }
    return trees;
  }

 private:
  int mount_;
  std::map<std::string, Trees, std::less<>> by_path_;
  Trees anywhere_;  ///< nobody knows where these are
  Trees all_;
};

}  // namespace

std::vector<std::vector<WatchEvent>> sieve(const std::vector<WatchEvent>& events,
                                           const std::vector<WatchedTree>& trees) {
  const auto mount = open_any(trees);
  if (!mount) return {trees.size(), events};
  const Roots roots(mount->fd.get(), trees);
  std::vector<std::vector<WatchEvent>> theirs(trees.size());
  std::unordered_map<std::string_view, Trees> directories;  // many events share one
  std::vector<bool> concerned(trees.size());
  for (const WatchEvent& event : events) {
    const auto may_concern = [&](const WatchedTree& tree) { return tree.paths->may_concern(event); };
    if (std::none_of(trees.begin(), trees.end(), may_concern)) continue;  // nor would its handle be this mount's
    concerned.assign(trees.size(), false);
    if (!event.handle.empty()) {
      const auto [at, fresh] = directories.try_emplace(event.handle);
      if (fresh) at->second = roots.around(event);
      for (const std::size_t tree : at->second) concerned[tree] = true;
    }
    const FileNumber file = event.target.bytes.empty() ? 0 : file_number(event.target);
    for (std::size_t tree = 0; tree < trees.size(); ++tree) {
      const WatchedTree& one = trees[tree];
      if (!may_concern(one)) continue;
      if (concerned[tree] || (file != 0 && one.known.knows(file))) theirs[tree].push_back(event);
    }
  }
  return theirs;
}

}  // namespace driftd::scanner
