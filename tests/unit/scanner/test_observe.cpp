#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/observe.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/metadata.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::scanner;
using driftd::manifests::UniqueFd;
using driftd::test::blake3_of;
using driftd::test::raw_acl;
using driftd::test::raw_capability;
using driftd::test::set_raw_attribute;
using driftd::test::sha256_of;
using driftd::test::TempTree;

namespace {

constexpr ContentWanted kNothing{};
constexpr ContentWanted kBlake3{true, false, {}};

/// An open directory and an observer for it.
struct Seat {
  explicit Seat(const std::string& path, Throttle* throttle = nullptr, std::stop_token stop = {})
      : fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        observer(mount_of(fd.get()).value(), throttle, nullptr, std::move(stop)) {}

  Observation look(const char* name, const ContentWanted& wanted) {
    return observer.observe(fd.get(), name, wanted, seen);
  }

  UniqueFd fd;
  Observer observer;
  Observed seen;
};

}  // namespace

TEST_CASE("a file's attributes, and its content as far as it is wanted") {
  const TempTree tree;
  tree.file("file", "hello", 0640);
  Seat seat(tree.path());
  struct stat status {};
  REQUIRE(::stat(tree.at("file").c_str(), &status) == 0);
  for (const auto& [blake3, sha256] : {std::pair(false, false), {true, false}, {false, true}, {true, true}}) {
    CAPTURE(blake3);
    CAPTURE(sha256);
    CHECK(seat.look("file", {blake3, sha256, 5}).outcome == Outcome::seen);
    CHECK(seat.seen.type == FileType::file);
    CHECK(seat.seen.mode == 0640);
    CHECK(seat.seen.uid == status.st_uid);
    CHECK(seat.seen.gid == status.st_gid);
    CHECK(seat.seen.size == 5);
    CHECK(seat.seen.changed_at == status.st_ctim.tv_sec);
    CHECK(seat.seen.blake3.has_value() == blake3);
    CHECK(seat.seen.sha256.has_value() == sha256);
    CHECK(seat.seen.blake3.value_or(blake3_of("hello")) == blake3_of("hello"));
    CHECK(seat.seen.sha256.value_or(sha256_of("hello")) == sha256_of("hello"));
    CHECK_FALSE(seat.seen.capability);
    CHECK_FALSE(seat.seen.acl);
  }
  CHECK(seat.observer.counters().hashed_files == 3);
  CHECK(seat.observer.counters().hashed_bytes == 15);
}

TEST_CASE("content of any length is read whole") {
  const TempTree tree;
  Seat seat(tree.path());
  constexpr std::size_t kBuffer = 256 * 1024;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, kBuffer - 1, kBuffer, kBuffer + 1, 2 * kBuffer, 3 * kBuffer + 7}) {
    CAPTURE(size);
    std::string content(size, '\0');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31 + i / 251);
    tree.file("file", content);
    CHECK(seat.look("file", {true, true, {}}).outcome == Outcome::seen);
    CHECK(seat.seen.blake3 == blake3_of(content));
    CHECK(seat.seen.sha256 == sha256_of(content));
  }
}

TEST_CASE("where the size tells already, nothing is read") {
  const TempTree tree;
  tree.file("sparse", "");
  constexpr off_t kHuge = off_t{1} << 40U;
  REQUIRE(::truncate(tree.at("sparse").c_str(), kHuge) == 0);
  Seat seat(tree.path());
  CHECK(seat.look("sparse", {true, true, 5}).outcome == Outcome::seen);
  CHECK(seat.seen.size == std::uint64_t{kHuge});
  CHECK_FALSE(seat.seen.blake3);
  CHECK_FALSE(seat.seen.sha256);
  CHECK(seat.look("sparse", kNothing).outcome == Outcome::seen);
  CHECK(seat.seen.size == std::uint64_t{kHuge});
  CHECK(seat.observer.counters().hashed_bytes == 0);
  CHECK(seat.observer.counters().hashed_files == 0);
}

TEST_CASE("what is no file is seen as what it is, without blocking and without being followed") {
  const TempTree tree;
  tree.dir("dir", 02755);
  tree.fifo("fifo");
  tree.socket("socket");
  tree.link("link", "fifo");
  tree.link("dangling", "no\nwhere\xff");
  tree.link("loop", "loop");
  Seat seat(tree.path());
  for (const ContentWanted& wanted : {kNothing, kBlake3, ContentWanted{true, true, 0}}) {
    for (const auto& [name, type, target] : {std::tuple("dir", FileType::directory, ""),
                                             {"fifo", FileType::fifo, ""},
                                             {"socket", FileType::socket, ""},
                                             {"link", FileType::symlink, "fifo"},
                                             {"dangling", FileType::symlink, "no\nwhere\xff"},
                                             {"loop", FileType::symlink, "loop"}}) {
      CAPTURE(name);
      CHECK(seat.look(name, wanted).outcome == Outcome::seen);
      CHECK(seat.seen.type == type);
      CHECK(seat.seen.target == target);
      CHECK_FALSE(seat.seen.blake3);
    }
    CHECK(seat.look("none", wanted).outcome == Outcome::vanished);
  }
  CHECK(seat.look("dir", kBlake3).outcome == Outcome::seen);
  CHECK(seat.seen.mode == 02755);
}

TEST_CASE("the longest target that a link can have is seen whole") {
  const TempTree tree;
  const std::string target(4095, 't');
  tree.link("link", target);
  Seat seat(tree.path());
  CHECK(seat.look("link", kNothing).outcome == Outcome::seen);
  CHECK(seat.seen.target == target);
}

TEST_CASE("nothing of one path is left over for the next") {
  const TempTree tree;
  tree.file("file", "x");
  tree.link("link", "target");
  tree.dir("dir");
  Seat seat(tree.path());
  seat.look("file", {true, true, {}});
  seat.look("link", kNothing);
  CHECK_FALSE(seat.seen.blake3);
  CHECK_FALSE(seat.seen.sha256);
  seat.look("dir", kNothing);
  CHECK(seat.seen.target.empty());
}

TEST_CASE("capabilities and ACLs are seen, whichever way the path is looked at") {
  const TempTree tree;
  tree.file("file", "x");
  tree.dir("dir");
  if (!set_raw_attribute(tree.at("file"), "security.capability", raw_capability()) ||
      !set_raw_attribute(tree.at("file"), "system.posix_acl_access", raw_acl()) ||
      !set_raw_attribute(tree.at("dir"), "system.posix_acl_access", raw_acl())) {
    return driftd::test::skip("needs root, and a file system with ACLs");
  }
  Seat seat(tree.path());
  for (const ContentWanted& wanted : {kNothing, kBlake3}) {
    CHECK(seat.look("file", wanted).outcome == Outcome::seen);
    CHECK(seat.seen.capability == raw_capability());
    CHECK(seat.seen.acl == blake3_of(raw_acl()));
  }
  const Seat dir(tree.at("dir"));
  CHECK(seat.observer.observe_directory(dir.fd.get(), seat.seen).outcome == Outcome::seen);
  CHECK(seat.seen.type == FileType::directory);
  CHECK(seat.seen.acl == blake3_of(raw_acl()));
  CHECK_FALSE(seat.seen.capability);
}

TEST_CASE("a capability does not hide behind many other attributes") {
  const TempTree tree(TempTree::Where::memory);  // ext4 has no room for so many
  tree.file("file", "x");
  for (int i = 0; i < 60; ++i) {
    if (!set_raw_attribute(tree.at("file"), ("trusted." + std::to_string(i) + std::string(100, 'x')).c_str(), "")) {
      return driftd::test::skip("needs root, and a file system with room for attributes");
    }
  }
  REQUIRE(set_raw_attribute(tree.at("file"), "security.capability", raw_capability()));
  Seat seat(tree.path());
  for (const ContentWanted& wanted : {kNothing, kBlake3}) {
    CHECK(seat.look("file", wanted).outcome == Outcome::seen);
    CHECK(seat.seen.capability == raw_capability());
  }
}

TEST_CASE("what lies on another mount is unverified") {
  const TempTree tree;
  tree.file("file", "x");
  tree.link("link", "file");
  const UniqueFd fd(::open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Observer elsewhere(mount_of(fd.get()).value() + 1, nullptr, nullptr, {});
  Observed seen;
  for (const Observation& found :
       {elsewhere.observe(fd.get(), "file", kBlake3, seen), elsewhere.observe(fd.get(), "file", kNothing, seen),
        elsewhere.observe(fd.get(), "link", kBlake3, seen), elsewhere.observe_directory(fd.get(), seen)}) {
    CHECK(found.outcome == Outcome::unverified);
    CHECK(found.reason == UnverifiedReason::mount);
  }
}

TEST_CASE("what may not be read is unverified, unless its content is not wanted") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  tree.file("secret", "x", 0600);
  CHECK(driftd::test::as_nobody([&]() -> std::string {
          Seat seat(tree.path());
          const Observation refused = seat.look("secret", kBlake3);
          if (refused.outcome != Outcome::unverified || refused.reason != UnverifiedReason::permission) return "read";
          if (refused.error != EACCES) return "errno " + std::to_string(refused.error);
          if (seat.look("secret", kNothing).outcome != Outcome::seen) return "not seen";
          return seat.seen.mode == 0600 ? "" : "mode";
        }) == "");
}

TEST_CASE("without /proc a file's attributes are seen all the same, or it is told that it may not be read") {
  if (!driftd::test::is_root()) return driftd::test::skip("needs root");
  const TempTree tree;
  tree.file("file", "x", 0600);
  if (!set_raw_attribute(tree.at("file"), "security.capability", raw_capability())) {
    return driftd::test::skip("needs a file system with capabilities");
  }
  tree.link("link", "file");
  CHECK(driftd::test::with_own_mounts([&]() -> std::string {
          if (::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return "cannot cover /proc";
          Seat seat(tree.path());
          if (seat.look("file", kNothing).outcome != Outcome::seen) return "the file is not seen";
          if (seat.seen.capability != raw_capability()) return "its capability is not seen";
          if (seat.look("link", kNothing).outcome != Outcome::seen || seat.seen.target != "file") return "the link";
          if (::setgid(driftd::test::kNobody) != 0 || ::setuid(driftd::test::kNobody) != 0) return "cannot be nobody";
          const Observation refused = seat.look("file", kNothing);
          if (refused.outcome != Outcome::unverified || refused.reason != UnverifiedReason::permission) return "reason";
          return refused.error == EACCES ? "" : "errno " + std::to_string(refused.error);
        }) == "");
}

namespace {

int leased = -1;

/// A write lease on a file, as Samba and NFS servers take for their clients. Who opens the file otherwise is told that
/// it would block, and the holder gets a signal.
struct Lease {
  Lease(const std::string& path, void (*on_break)(int)) {
    before_ = ::signal(SIGIO, on_break);
    leased = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    is_taken = ::fcntl(leased, F_SETLEASE, F_WRLCK) == 0;
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    ::close(leased);
    ::signal(SIGIO, before_);
  }

  bool is_taken = false;

 private:
  void (*before_)(int);
};

}  // namespace

TEST_CASE("a file under another's write lease is tried again, and unstable if nobody lets go of it") {
  const TempTree tree;
  tree.file("file", "hello");
  Seat seat(tree.path());
  {
    const Lease lease(tree.at("file"), [](int) { ::fcntl(leased, F_SETLEASE, F_UNLCK); });
    if (!lease.is_taken) return driftd::test::skip("needs a file system with leases");
    CHECK(seat.look("file", kBlake3).outcome == Outcome::seen);
    CHECK(seat.seen.blake3 == blake3_of("hello"));
  }
  {
    const Lease lease(tree.at("file"), [](int) { ::fcntl(leased, F_SETLEASE, F_UNLCK); });
    OpenFile file;
    CHECK(seat.observer.begin(seat.fd.get(), "file", kBlake3, seat.seen, file).outcome == Outcome::seen);
  }
  const Lease lease(tree.at("file"), SIG_IGN);
  const Observation found = seat.look("file", kBlake3);
  CHECK(found.outcome == Outcome::unverified);
  CHECK(found.reason == UnverifiedReason::unstable);
  CHECK(found.error == 0);
}

TEST_CASE("errno has a reason that people understand") {
  for (const auto& [error, reason] : {std::pair(EACCES, UnverifiedReason::permission),
                                      {EPERM, UnverifiedReason::permission},
                                      {EXDEV, UnverifiedReason::mount},
                                      {EMFILE, UnverifiedReason::limit},
                                      {ENFILE, UnverifiedReason::limit},
                                      {ENOMEM, UnverifiedReason::limit},
                                      {EIO, UnverifiedReason::io},
                                      {ESTALE, UnverifiedReason::io}}) {
    const Observation failed = Observer::failed(error);
    CHECK(failed.outcome == Outcome::unverified);
    CHECK(failed.reason == reason);
    CHECK(failed.error == error);
  }
}

TEST_CASE("a file that ends before its size is read again and then unstable") {
  // The kernel says 4096 and gives less.
  const UniqueFd there(::open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC));
  if (!there) return driftd::test::skip("needs sysfs");
  Seat seat("/sys/kernel/mm/transparent_hugepage");
  const Observation found = seat.look("enabled", {true, true, {}});
  CHECK(found.outcome == Outcome::unverified);
  CHECK(found.reason == UnverifiedReason::unstable);
  CHECK(seat.observer.counters().hashed_files == 0);
}

TEST_CASE("a file that is written all the time is unstable, never a digest of something in between") {
  const TempTree tree;
  constexpr std::size_t kSize = 256 * 1024 + 1;
  // Slow enough that the writer has a tenth of a second for each attempt.
  Throttle throttle(driftd::scanner::ReadLimits{kSize * 5, {}});
  for (const bool same_size : {true, false}) {
    CAPTURE(same_size);
    tree.file("file", std::string(kSize, 'a'));
    const UniqueFd writable(::open(tree.at("file").c_str(), O_WRONLY | O_CLOEXEC));
    std::atomic<bool> done = false;
    std::jthread writing([&] {
      for (unsigned i = 0; !done; ++i) {
        const char byte = static_cast<char>(i);
        (void)!::pwrite(writable.get(), &byte, 1, same_size ? 0 : static_cast<off_t>(kSize + i % 1000));
        if (!same_size && i % 1000 == 0) (void)!::ftruncate(writable.get(), kSize - 1);
        std::this_thread::yield();
      }
    });
    Seat seat(tree.path(), &throttle);
    const Observation found = seat.look("file", kBlake3);
    done = true;
    CHECK(found.outcome == Outcome::unverified);
    CHECK(found.reason == UnverifiedReason::unstable);
  }
}

TEST_CASE("a stop ends the reading") {
  const TempTree tree;
  tree.file("file", "hello");
  std::stop_source stop;
  stop.request_stop();
  Seat seat(tree.path(), nullptr, stop.get_token());
  CHECK(seat.look("file", kBlake3).outcome == Outcome::stopped);
  CHECK(seat.look("file", kNothing).outcome == Outcome::seen);
}
