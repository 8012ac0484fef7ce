#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// A directory of its own for a test, with short ways to put things into it. Names are raw bytes below it. Whatever
/// goes wrong here throws: it is the machine's fault, and no test can go on.
class TempTree {
 public:
  enum class Where { disk, memory };

  /// In memory thousands of trees are made and removed in a moment; names, links and attributes are as everywhere.
  explicit TempTree(Where where = Where::disk) {
    const char* asked = std::getenv("TMPDIR");
    const bool in_memory = where == Where::memory && ::access(kMemory, W_OK) == 0;
    const char* base = in_memory ? kMemory : (asked != nullptr ? asked : "/tmp");
    path_ = std::string(base) + "/driftd-unit-XXXXXX";
    require(::mkdtemp(path_.data()) != nullptr, path_);
    allow(path_, 0755);
    // What the system calls itself links through (/tmp may be one) is not what a test wants to tell apart.
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path_.c_str(), nullptr), &std::free);
    require(real != nullptr, path_);
    path_ = real.get();
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree() { remove_at(AT_FDCWD, path_.c_str()); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }

  /// A file with exactly this content and mode; what stood there is overwritten in place.
  void file(std::string_view name, std::string_view content, mode_t mode = 0644) const {
    write(name, content, O_TRUNC);
    allow(at(name), mode);
  }
  void append(std::string_view name, std::string_view content) const { write(name, content, O_APPEND); }
  void dir(std::string_view name, mode_t mode = 0755) const {
    require(::mkdir(at(name).c_str(), 0755) == 0, at(name));
    allow(at(name), mode);
  }
  /// The directory and all above it.
  void dirs(std::string_view name) const {
    for (std::size_t slash = name.find('/');; slash = name.find('/', slash + 1)) {
      const std::string part = at(name.substr(0, slash));
      require(::mkdir(part.c_str(), 0755) == 0 || errno == EEXIST, part);
      if (slash == std::string_view::npos) return;
    }
  }
  void link(std::string_view name, const std::string& target) const {
    require(::symlink(target.c_str(), at(name).c_str()) == 0, at(name));
  }
  void hard_link(std::string_view from, std::string_view to) const {
    require(::link(at(from).c_str(), at(to).c_str()) == 0, at(to));
  }
  void fifo(std::string_view name) const { require(::mkfifo(at(name).c_str(), 0644) == 0, at(name)); }
  void socket(std::string_view name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string where = at(name);
    require(where.size() < sizeof address.sun_path, where);
    where.copy(address.sun_path, where.size());
    const manifests::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, where);
  }
  void mode(std::string_view name, mode_t mode) const { allow(at(name), mode); }
  void rename(std::string_view from, std::string_view to) const {
    require(::rename(at(from).c_str(), at(to).c_str()) == 0, at(from));
  }
  /// With all below, if it is a directory.
  void remove(std::string_view name) const { require(remove_at(AT_FDCWD, at(name).c_str()), at(name)); }

 private:
  static constexpr const char* kMemory = "/dev/shm";

  static void require(bool good, const std::string& path) {
    if (!good) throw std::runtime_error(path + ": errno " + std::to_string(errno));
  }

  static void allow(const std::string& path, mode_t mode) { require(::chmod(path.c_str(), mode) == 0, path); }

  void write(std::string_view name, std::string_view content, int how) const {
    const manifests::UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644));
    require(static_cast<bool>(fd), at(name));
    require(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()), at(name));
  }

  /// By descriptors, so that a tree may be deeper than any path is long.
  static bool remove_at(int directory, const char* name) {
    if (::unlinkat(directory, name, 0) == 0) return true;
    if (errno != EISDIR && errno != EPERM) return false;
    (void)!::fchmodat(directory, name, 0700, 0);
    const int fd = ::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false;
    DIR* stream = ::fdopendir(fd);
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view one(entry->d_name);
      if (one != "." && one != "..") remove_at(fd, entry->d_name);
    }
    ::closedir(stream);
    return ::unlinkat(directory, name, AT_REMOVEDIR) == 0;
  }

  std::string path_;
};

}  // namespace driftd::test
