#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/safe_open.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::UniqueFd;
using driftd::scanner::open_directory_beneath;
using driftd::scanner::open_file_at;
using driftd::scanner::reach_beneath;
using driftd::test::TempTree;

namespace {

UniqueFd open_root(const std::string& path) { return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

ino_t inode_of(int fd) {
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  return status.st_ino;
}

int error_of_directory(int root, const std::string& path) {
  const UniqueFd fd = open_directory_beneath(root, path);
  return fd ? 0 : errno;
}

int error_of_file(int directory, const char* name) {
  const UniqueFd fd = open_file_at(directory, name);
  return fd ? 0 : errno;
}

}  // namespace

TEST_CASE("opening beneath a root never leaves it") {
  const TempTree tree;
  tree.dirs("root/a/b");
  tree.dir("outside");
  tree.file("root/file", "");
  tree.link("root/to_dir", "a");
  tree.link("root/a/out", "../../outside");
  tree.link("root/a/absolute", tree.at("outside"));
  tree.link("root/loop", "loop");
  tree.link("root/magic", "/proc/self/root");
  const UniqueFd root = open_root(tree.at("root"));
  const std::vector<std::pair<std::string, int>> cases{
      {".", 0},
      {"", 0},
      {"a", 0},
      {"a/b", 0},
      {"none", ENOENT},
      {"a/none/b", ENOENT},
      {"file", ENOTDIR},
      {"file/x", ENOTDIR},
      {"to_dir/b", ELOOP},
      {"a/out/x", ELOOP},
      {"a/absolute/x", ELOOP},
      {"loop/x", ELOOP},
      {"magic/etc", ELOOP},
      {"..", EXDEV},
      {"a/../../outside", EXDEV},
      {tree.at("root/a"), EXDEV},
      {"/", EXDEV},
      {std::string(256, 'x'), ENAMETOOLONG},
      {std::string(5000, 'x'), ENAMETOOLONG},
  };
  for (const auto& [path, error] : cases) {
    CAPTURE(path);
    CHECK(error_of_directory(root.get(), path) == error);
  }
  // A link as the last component: which of the two the kernel says does not matter.
  for (const char* link : {"to_dir", "a/out", "a/absolute", "loop", "magic"}) {
    CAPTURE(link);
    const int error = error_of_directory(root.get(), link);
    CHECK((error == ELOOP || error == ENOTDIR));
  }
}

TEST_CASE("a path longer than PATH_MAX is opened in steps, with the same guarantees") {
  const TempTree tree;
  const std::string component(199, 'd');
  const UniqueFd root = open_root(tree.path());
  // Twenty of them and a slash each are 4000 bytes; what follows straddles the limit of 4095 byte by byte.
  std::string deep;
  UniqueFd at(::dup(root.get()));
  for (int depth = 0; depth < 20; ++depth) {
    REQUIRE(::mkdirat(at.get(), component.c_str(), 0755) == 0);
    at = UniqueFd(::openat(at.get(), component.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    deep += component + "/";
  }
  REQUIRE(deep.size() == 4000);
  for (std::size_t length = 90; length <= 100; ++length) {
    const std::string name(length, 'x');
    REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
    const UniqueFd last(::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::mkdirat(last.get(), "below", 0755) == 0);
    const UniqueFd below(::openat(last.get(), "below", O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::symlinkat(".", last.get(), "link") == 0);
    CAPTURE(length);
    for (const auto& [path, wanted] :
         {std::pair(deep + name, last.get()), std::pair(deep + name + "/below", below.get())}) {
      const UniqueFd found = open_directory_beneath(root.get(), path);
      REQUIRE(found);
      CHECK(inode_of(found.get()) == inode_of(wanted));
    }
    const int error = error_of_directory(root.get(), deep + name + "/link/below");
    CHECK((error == ELOOP || error == ENOTDIR));  // the latter where a step ends at the link
    CHECK(error_of_directory(root.get(), deep + name + "/none") == ENOENT);
  }
  REQUIRE(::symlinkat(".", root.get(), "link") == 0);
  CHECK(error_of_directory(root.get(), "link/" + deep + std::string(100, 'x')) == ELOOP);
}

TEST_CASE("a component that is swapped for a link is never followed") {
  const TempTree tree;
  tree.dirs("root/a");
  tree.dirs("outside/b");
  tree.dirs("root/a/b");
  tree.link("root/trap", tree.at("outside"));
  const UniqueFd root = open_root(tree.at("root"));
  const UniqueFd inside = open_directory_beneath(root.get(), "a/b");
  REQUIRE(inside);
  std::atomic<bool> done = false;
  std::jthread swapping([&] {
    while (!done) (void)::renameat2(root.get(), "a", root.get(), "trap", RENAME_EXCHANGE);
  });
  int opened = 0;
  int refused = 0;
  int escaped = 0;
  for (int i = 0; i < 3000; ++i) {
    const UniqueFd fd = open_directory_beneath(root.get(), "a/b");
    if (!fd) {
      ++refused;
    } else {
      inode_of(fd.get()) == inode_of(inside.get()) ? ++opened : ++escaped;
    }
  }
  done = true;
  swapping.join();
  CHECK(escaped == 0);
  CHECK(opened + refused == 3000);
}

TEST_CASE("a single name: links and sockets refuse to open, nothing blocks") {
  const TempTree tree;
  tree.file("file", "x");
  tree.dir("dir");
  tree.link("link", "file");
  tree.fifo("fifo");
  tree.socket("socket");
  const UniqueFd root(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(error_of_file(root.get(), "file") == 0);
  CHECK(error_of_file(root.get(), "dir") == 0);
  CHECK(error_of_file(root.get(), "fifo") == 0);
  CHECK(error_of_file(root.get(), "link") == ELOOP);
  CHECK(error_of_file(root.get(), "socket") == ENXIO);
  CHECK(error_of_file(root.get(), "none") == ENOENT);
  const UniqueFd fd = open_file_at(root.get(), "file");
  CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(fd.get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
}

TEST_CASE("what is reached is the thing itself, whatever it is and whoever may read it") {
  const TempTree tree;
  tree.dir("dir");
  tree.file("dir/file", "x", 0000);
  tree.link("link", "dir");
  tree.fifo("fifo");
  tree.socket("socket");
  const UniqueFd root = open_root(tree.path());
  for (const auto& [path, type] :
       {std::pair("dir", S_IFDIR), {"dir/file", S_IFREG}, {"link", S_IFLNK}, {"fifo", S_IFIFO}, {"socket", S_IFSOCK}}) {
    CAPTURE(path);
    const UniqueFd there = reach_beneath(root.get(), path);
    struct stat status {};
    REQUIRE(::fstat(there.get(), &status) == 0);
    CHECK((status.st_mode & S_IFMT) == static_cast<mode_t>(type));
    CHECK((::fcntl(there.get(), F_GETFL) & O_PATH) != 0);
    CHECK((::fcntl(there.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  for (const auto& [path, error] :
       {std::pair("none", ENOENT), {"link/file", ELOOP}, {"..", EXDEV}, {"fifo/x", ENOTDIR}}) {
    CAPTURE(path);
    CHECK_FALSE(reach_beneath(root.get(), path));
    CHECK(errno == error);
  }
}

TEST_CASE("looking leaves no trace in access times") {
  const TempTree tree;
  tree.dir("dir");
  tree.file("dir/file", "x");
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  for (const char* name : {"dir/file", "dir"}) REQUIRE(::utimensat(AT_FDCWD, tree.at(name).c_str(), old, 0) == 0);
  const UniqueFd root = open_root(tree.path());
  const UniqueFd dir = open_directory_beneath(root.get(), "dir");
  const UniqueFd file = open_file_at(dir.get(), "file");
  char byte = 0;
  REQUIRE(::read(file.get(), &byte, 1) == 1);
  for (const int fd : {dir.get(), file.get()}) {
    struct stat status {};
    REQUIRE(::fstat(fd, &status) == 0);
    CHECK(status.st_atim.tv_sec == 1'000'000'000);
    CHECK((::fcntl(fd, F_GETFL) & O_NOATIME) != 0);
  }
}

TEST_CASE("what somebody else owns opens without O_NOATIME") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  tree.dir("dir");
  tree.file("dir/file", "x");
  CHECK(driftd::test::as_nobody([&]() -> std::string {
          const UniqueFd root = open_root(tree.path());
          const UniqueFd dir = open_directory_beneath(root.get(), "dir");
          if (!dir) return "no directory";
          return open_file_at(dir.get(), "file") ? "" : "no file";
        }) == "");
}

TEST_CASE("a mount in the way is EXDEV, a bind mount of the same file system too") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  tree.dirs("root/tmpfs/sub");
  tree.dirs("root/bind");
  tree.dirs("elsewhere/sub");
  const std::string said = driftd::test::with_own_mounts([&]() -> std::string {
    if (::mount("none", tree.at("root/tmpfs").c_str(), "tmpfs", 0, nullptr) != 0) return "no tmpfs";
    if (::mount(tree.at("elsewhere").c_str(), tree.at("root/bind").c_str(), nullptr, MS_BIND, nullptr) != 0)
      return "no bind mount";
    const UniqueFd root = open_root(tree.at("root"));
    for (const char* path : {"tmpfs", "bind", "bind/sub"}) {
      if (error_of_directory(root.get(), path) != EXDEV) return std::string(path) + " was entered";
      if (reach_beneath(root.get(), path) || errno != EXDEV) return std::string(path) + " was reached";
    }
    if (!reach_beneath(root.get(), ".")) return "the root was not reached";
    return "";
  });
  CHECK(said == "");
}
