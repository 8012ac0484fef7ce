#pragma once

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/metadata.hpp"
#include "tests/unit/support/temp_tree.hpp"

namespace driftd::test {

/// Random trees and edits. Few names, so that edits hit each other's traces.
class Chaos {
 public:
  Chaos(const TempTree& tree, unsigned long seed) : tree_(tree), random_(seed) {}

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  bool one_in(std::size_t odds) { return below(odds) == 0; }

  void populate(const std::string& directory, std::size_t depth) {
    for (const char* name : kNames) {
      if (!one_in(2)) continue;
      const std::string path = join(directory, name);
      if (depth > 0 && one_in(2)) {
        tree_.dir(path);
        populate(path, depth - 1);
      } else if (one_in(5)) {
        tree_.link(path, pick_target());
      } else {
        tree_.file(path, pick_content(), one_in(4) ? 0755 : 0644);
      }
      if (one_in(12)) (void)attribute(path);
    }
  }

  /// One edit, if it is possible where it falls; returns the paths that kernel events would name.
  std::set<std::string> edit() {
    const std::string path = pick_path();
    const auto type = std::filesystem::symlink_status(tree_.at(path)).type();
    const bool is_there = type != std::filesystem::file_type::not_found;
    const bool is_file = type == std::filesystem::file_type::regular;
    const bool is_link = type == std::filesystem::file_type::symlink;
    switch (below(15)) {
      case 0:  // other content of the same size
        if (is_file) {
          const std::size_t size = std::filesystem::file_size(tree_.at(path));
          tree_.file(path, std::string(size, one_in(2) ? 'X' : 'Y'), mode_of(path));
        }
        break;
      case 1:
        if (is_file) tree_.append(path, "more");
        break;
      case 2:
        if (is_file) tree_.file(path, pick_content(), mode_of(path));
        break;
      case 3:
      case 4:
        if (is_there) tree_.remove(path);
        break;
      case 5:
        if (is_there && !is_link) tree_.mode(path, pick_mode());
        break;
      case 6:  // something else stands there now
        if (is_there) tree_.remove(path);
        create(path);
        break;
      case 7:
        if (is_link) {
          tree_.remove(path);
          tree_.link(path, pick_target());
        }
        break;
      case 8:
      case 9: return rename(path);
      case 10: return hard_link(path);
      case 11:
      case 12:
        if (is_there) (void)attribute(path);
        break;
      default:
        if (!is_there) create(path);
    }
    return {path};
  }

  /// A name in some real directory of the tree; something may stand there or not.
  std::string pick_path() {
    std::string directory;
    for (;;) {
      const std::string path = join(directory, pick_name());
      std::error_code vanished;  // while another thread edits
      const auto type = std::filesystem::symlink_status(tree_.at(path), vanished).type();
      if (one_in(2) || type != std::filesystem::file_type::directory) return path;
      directory = path;
    }
  }

  mode_t pick_mode() {
    constexpr mode_t kModes[] = {0644, 0755, 0600, 0700, 0666, 0777, 01755, 02755, 04755};
    return kModes[below(std::size(kModes))];
  }

  /// Of an owner that Chaos gives to files, or another.
  std::uint32_t pick_owner() {
    constexpr std::uint32_t kOwners[] = {0, 1, 4001, 4002};
    return kOwners[below(std::size(kOwners))];
  }

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "a-b", "tmp", "x y\n", "\xff"};

  static std::string join(const std::string& directory, std::string_view name) {
    return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
  }
  [[nodiscard]] mode_t mode_of(const std::string& path) const {
    struct stat status {};
    if (::lstat(tree_.at(path).c_str(), &status) != 0) throw std::runtime_error("cannot stat " + path);
    return status.st_mode & 07777U;
  }

  std::string pick_name() {
    if (one_in(12)) return one_in(2) ? "rel" : "rel.minisig";
    return kNames[below(std::size(kNames))];
  }
  std::string pick_content() { return std::string(below(4), static_cast<char>('a' + below(2))); }
  std::string pick_target() {
    constexpr const char* kTargets[] = {"a", "..", ".", "/", "b/c", "no\nwhere"};
    return kTargets[below(std::size(kTargets))];
  }

  void create(const std::string& path) {
    switch (below(8)) {
      case 0: return tree_.link(path, pick_target());
      case 1: return tree_.fifo(path);
      case 2: return tree_.file(path, pick_content(), one_in(3) ? 04755 : 0644);
      case 3: return tree_.file(path, pick_content());
      case 4:  // null, which only root may make
        if (one_in(2)) return (void)!::mknod(tree_.at(path).c_str(), S_IFCHR | 0666, ::makedev(1, 3));
        [[fallthrough]];
      default: tree_.dir(path), populate(path, 1);
    }
  }

  /// An owner, a group, a capability, an ACL or one that means nothing to anybody. Each may be refused: by the file
  /// system, to who is not root, for what is not a file.
  bool attribute(const std::string& path) {
    const std::string full = tree_.at(path);
    switch (below(6)) {
      case 0: return ::lchown(full.c_str(), pick_owner(), static_cast<gid_t>(-1)) == 0;
      case 1: return ::lchown(full.c_str(), static_cast<uid_t>(-1), pick_owner()) == 0;
      case 2: return ::lsetxattr(full.c_str(), "user.comment", "x", 1, 0) == 0;
      case 3: return set_raw_attribute(full, "security.capability", raw_capability(one_in(2) ? 1U << 10 : 1U << 13));
      case 4:
        return one_in(2) ? ::lremovexattr(full.c_str(), "system.posix_acl_access") == 0
                         : ::lremovexattr(full.c_str(), "security.capability") == 0;
      default: return set_raw_attribute(full, "system.posix_acl_access", raw_acl(one_in(2) ? 1 : 2));
    }
  }

  std::set<std::string> rename(const std::string& from) {
    const std::string to = pick_path();
    std::error_code error;
    // Into itself, onto a full directory: not possible, so no edit.
    std::filesystem::rename(tree_.at(from), tree_.at(to), error);
    return {from, to};
  }

  std::set<std::string> hard_link(const std::string& from) {
    const std::string to = pick_path();
    // Of nothing, of a directory, to where something is: not possible, so no edit.
    (void)!::link(tree_.at(from).c_str(), tree_.at(to).c_str());
    return {from, to};
  }

  const TempTree& tree_;
  std::mt19937_64 random_;
};

}  // namespace driftd::test
