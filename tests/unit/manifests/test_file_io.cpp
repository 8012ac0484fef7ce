#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/file_io.hpp"
#include "manifests/unique_fd.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::ErrorCode;
using driftd::manifests::Existing;
using driftd::manifests::read_all;
using driftd::manifests::read_file;
using driftd::manifests::read_secret_file;
using driftd::manifests::Result;
using driftd::manifests::UniqueFd;
using driftd::manifests::write_file;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::read_whole;
using driftd::test::TempTree;

namespace {

/// Both ways to read a file whole, as strings.
Result<std::string> as_string(const std::string& path, std::size_t limit) { return read_file(path, limit); }

Result<std::string> as_secret(const std::string& path, std::size_t limit) {
  const auto secret = read_secret_file(path, limit);
  if (!secret) return secret.error();
  return std::string(secret->view());
}

using Reader = Result<std::string> (*)(const std::string&, std::size_t);

std::vector<std::string> names_in(const TempTree& tree) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(tree.path())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

struct stat status_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

/// Sets the umask for as long as it lives.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;
  ~Umask() { ::umask(before_); }

 private:
  mode_t before_;
};

}  // namespace

TEST_CASE("a file is read whole, up to its limit") {
  Reader read = nullptr;
  SUBCASE("a plain one") { read = as_string; }
  SUBCASE("a secret one") { read = as_secret; }
  Random random(14);
  const TempTree tree;
  for (const std::size_t size : std::vector<std::size_t>{0, 1, 2, 4095, 4096, 4097, 70'000}) {
    CAPTURE(size);
    const std::string content = random.bytes(size);
    tree.file("file", content);
    tree.link("link", "file");
    CHECK((must(read(tree.at("file"), size)) == content));
    CHECK((must(read(tree.at("file"), 100'000)) == content));
    CHECK((must(read(tree.at("link"), size)) == content));
    if (size > 0) {
      check_error(read(tree.at("file"), size - 1), ErrorCode::size,
                  "file: larger than the limit of " + std::to_string(size - 1) + " bytes");
      check_error(read(tree.at("file"), 0), ErrorCode::size, "larger than the limit of 0 bytes");
    }
    tree.remove("link");
  }
}

TEST_CASE("a file of many megabytes is read whole") {
  // From some size on the memory is asked for differently.
  const TempTree tree;
  Random random(5);
  const std::string block = random.bytes(4099);
  std::string content;
  while (content.size() < (std::size_t{17} << 20U)) content += block;
  tree.file("large", content);
  const std::string path = tree.at("large");
  CHECK((must(read_file(path, content.size())) == content));
  check_error(read_file(path, content.size() - 1), ErrorCode::size, "larger than the limit");
}

TEST_CASE("a file that does not tell its size is read whole, up to its limit") {
  Reader read = nullptr;
  SUBCASE("a plain one") { read = as_string; }
  SUBCASE("a secret one") { read = as_secret; }
  // Files of procfs claim to be empty.
  const std::string content = must(read("/proc/self/maps", 1024 * 1024));
  CHECK(content.size() > 1000);
  CHECK(content.ends_with('\n'));
  check_error(read("/proc/self/maps", 100), ErrorCode::size, "/proc/self/maps: larger than the limit of 100 bytes");
  const std::string version = must(read("/proc/version", 4096));
  CHECK(must(read("/proc/version", version.size())) == version);
  check_error(read("/proc/version", version.size() - 1), ErrorCode::size, "larger than the limit");
}

TEST_CASE("what is no file is refused without waiting for it") {
  Reader read = nullptr;
  SUBCASE("a plain one") { read = as_string; }
  SUBCASE("a secret one") { read = as_secret; }
  const TempTree tree;
  tree.dir("dir");
  tree.fifo("fifo");
  tree.link("loop", "loop");
  tree.link("dangling", "nowhere");
  tree.file("plain", "x");
  check_error(read(tree.at("dir"), 10), ErrorCode::unreadable, "dir: not a regular file");
  check_error(read(tree.at("fifo"), 10), ErrorCode::unreadable, "fifo: not a regular file");
  check_error(read("/dev/null", 10), ErrorCode::unreadable, "/dev/null: not a regular file");
  check_error(read("/dev/zero", 10), ErrorCode::unreadable, "/dev/zero: not a regular file");
  check_error(read(tree.at("missing\n"), 10), ErrorCode::unreadable, "missing\\x0a: No such file or directory");
  check_error(read(tree.at("dangling"), 10), ErrorCode::unreadable, "dangling: No such file or directory");
  check_error(read(tree.at("loop"), 10), ErrorCode::unreadable, "loop: Too many levels of symbolic links");
  check_error(read(tree.at("plain/x"), 10), ErrorCode::unreadable, "plain/x: Not a directory");
  check_error(read("", 10), ErrorCode::unreadable, "No such file or directory");

  // With somebody at the other end as well.
  const UniqueFd other_end(::open(tree.at("fifo").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(other_end);
  check_error(read(tree.at("fifo"), 10), ErrorCode::unreadable, "fifo: not a regular file");
}

TEST_CASE("a descriptor is read from where it stands, and messages name the path that was given") {
  const TempTree tree;
  tree.file("file", "content");
  const UniqueFd fd(::open(tree.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(must(read_all(fd.get(), "the\tpath", 7)) == "content");
  check_error(read_all(fd.get(), "the\tpath", 6), ErrorCode::size, "the\\x09path: larger");
  check_error(read_all(-1, "the\tpath", 6), ErrorCode::unreadable, "the\\x09path: Bad file descriptor");
}

TEST_CASE("a file is written whole") {
  Random random(15);
  const TempTree tree;
  for (const Existing existing : {Existing::replace, Existing::refuse}) {
    for (const std::size_t size : std::vector<std::size_t>{0, 1, 1'000'000}) {
      CAPTURE(size);
      const std::string content = random.bytes(size);
      REQUIRE(write_file(tree.at("file"), content, 0644, existing));
      CHECK((read_whole(tree.at("file")) == content));
      CHECK((names_in(tree) == Names{"file"}));
      tree.remove("file");
    }
  }
}

TEST_CASE("a file's mode is what was asked for, less the umask") {
  const TempTree tree;
  struct Row {
    mode_t umask;
    mode_t asked;
    mode_t given;
  };
  for (const Row& row : {Row{022, 0644, 0644}, Row{077, 0644, 0600}, Row{0, 0666, 0666}, Row{022, 0600, 0600},
                         Row{0, 0600, 0600}, Row{0777, 0644, 0}}) {
    CAPTURE(row.umask);
    CAPTURE(row.asked);
    for (const Existing existing : {Existing::replace, Existing::refuse}) {
      {
        const Umask set(row.umask);
        REQUIRE(write_file(tree.at("file"), "x", row.asked, existing));
        const mode_t now = ::umask(row.umask);
        CHECK(now == row.umask);
      }
      CHECK((status_of(tree.at("file")).st_mode & 07777U) == row.given);
      tree.remove("file");
    }
  }
}

TEST_CASE("replacing is seen as a whole or not at all") {
  const TempTree tree;
  tree.file("file", "the old content", 0640);
  tree.hard_link("file", "other name");
  const ino_t before = status_of(tree.at("file")).st_ino;
  const UniqueFd reader(::open(tree.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(write_file(tree.at("file"), "new", 0644, Existing::replace));
  // Whoever has the old file open, or under another name, still has all of it.
  CHECK(must(read_all(reader.get(), "reader", 100)) == "the old content");
  CHECK(read_whole(tree.at("other name")) == "the old content");
  CHECK(read_whole(tree.at("file")) == "new");
  CHECK(status_of(tree.at("file")).st_ino != before);
  CHECK((status_of(tree.at("file")).st_mode & 07777U) == 0644);
  CHECK((names_in(tree) == Names{"file", "other name"}));
}

TEST_CASE("a link is replaced, not followed") {
  const TempTree tree;
  tree.file("target", "target");
  tree.link("link", "target");
  REQUIRE(write_file(tree.at("link"), "new", 0644, Existing::replace));
  CHECK(read_whole(tree.at("target")) == "target");
  CHECK(S_ISREG(status_of(tree.at("link")).st_mode));
  CHECK(read_whole(tree.at("link")) == "new");
}

TEST_CASE("what exists is not overwritten unless that is asked for") {
  const TempTree tree;
  tree.file("file", "old", 0600);
  tree.dir("dir");
  tree.link("link", "file");
  tree.link("dangling\n", "nowhere");
  const Names before = names_in(tree);
  for (const std::string name : {"file", "dir", "link", "dangling\n"}) {
    CAPTURE(name);
    check_error(write_file(tree.at(name), "new", 0644, Existing::refuse), ErrorCode::io,
                "exists already and is not overwritten");
  }
  check_error(write_file(tree.at("dangling\n"), "new", 0644, Existing::refuse), ErrorCode::io, "dangling\\x0a");
  CHECK((names_in(tree) == before));
  CHECK(read_whole(tree.at("file")) == "old");
  CHECK((status_of(tree.at("file")).st_mode & 07777U) == 0600);
}

TEST_CASE("only a file is replaced by a file") {
  const TempTree tree;
  tree.dir("dir");
  tree.fifo("fifo");
  tree.socket("socket");
  tree.link("link", "fifo");
  const Names before = names_in(tree);
  for (const std::string name : {"dir", "fifo", "socket", "link"}) {
    CAPTURE(name);
    const struct stat status = status_of(tree.at(name));
    check_error(write_file(tree.at(name), "new", 0644, Existing::replace), ErrorCode::io,
                name + ": not a regular file, and is not replaced");
    CHECK(status_of(tree.at(name)).st_ino == status.st_ino);
  }
  CHECK((names_in(tree) == before));
}

TEST_CASE("what cannot be written leaves nothing behind") {
  const TempTree tree;
  tree.dir("dir");
  tree.file("dir/below", "x");
  check_error(write_file(tree.at("missing/file"), "new", 0644, Existing::replace), ErrorCode::io,
              "No such file or directory");
  check_error(write_file(tree.at(std::string(255, 'x')), "new", 0644, Existing::replace), ErrorCode::io,
              "File name too long");
  CHECK((names_in(tree) == Names{"dir"}));
  CHECK(read_whole(tree.at("dir/below")) == "x");
}

TEST_CASE("reading a file leaves no trace in its times") {
  TempTree tree;
  const std::string path = tree.at("file");
  std::ofstream(path) << "12345";
  // Long ago, so that an access would be noted on any mount but with noatime.
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0) == 0);
  (void)must(read_file(path, 5));
  (void)must(read_secret_file(path, 5));
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK(status.st_atim.tv_sec == 1000);
}
