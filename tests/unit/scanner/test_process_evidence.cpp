#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utmp.h>

#include <atomic>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/process_evidence.hpp"
#include "tests/unit/support/child_process.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::scanner::Evidence;
using driftd::scanner::is_there;
using driftd::scanner::ProcessReader;
using driftd::test::ChildProcess;
using driftd::test::is_root;
using driftd::test::kNobody;
using driftd::test::must;
using driftd::test::TempTree;
using Words = std::vector<std::string>;

namespace {

std::string real(const std::string& path) { return std::filesystem::canonical(path); }

std::optional<Evidence> read(const ChildProcess& process) { return must(ProcessReader::open()).read(process.pidfd()); }

std::string own_name() {
  std::ifstream file("/proc/self/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

std::vector<int> pids(const Evidence& evidence) {
  std::vector<int> all;
  for (const Evidence::Process& parent : evidence.parents) all.push_back(parent.pid);
  return all;
}

const std::function<void()> kNothing = [] {};

}  // namespace

TEST_CASE("a program that runs: its name, executable, arguments, user and parent") {
  const ChildProcess sleeping(ChildProcess::program({"/bin/sleep", "1000"}));
  const auto evidence = read(sleeping);
  REQUIRE(evidence);
  CHECK(evidence->pid == sleeping.pid());
  CHECK(evidence->started > 0);
  CHECK(evidence->name == "sleep");
  CHECK(evidence->executable == real("/bin/sleep"));
  CHECK(evidence->arguments == Words{"/bin/sleep", "1000"});
  CHECK_FALSE(evidence->arguments_cut);
  CHECK(evidence->uid == ::geteuid());
  if (is_root()) CHECK(evidence->user == "root");
  REQUIRE_FALSE(evidence->parents.empty());
  CHECK(evidence->parents.front() == Evidence::Process{::getpid(), own_name()});
  CHECK(evidence->client.empty());
  CHECK(evidence->container.empty());
}

TEST_CASE("a script is its interpreter") {
  const ChildProcess shell(ChildProcess::program({"/bin/sh", "-c", "kill -STOP $$; :"}));
  const auto evidence = read(shell);
  REQUIRE(evidence);
  CHECK(evidence->name == "sh");
  CHECK(evidence->executable == real("/bin/sh"));
}

TEST_CASE("a zombie has a name, a user and parents, but neither executable nor arguments") {
  const ChildProcess dead(ChildProcess::program({"/bin/sleep", "1000"}));
  dead.make_zombie();
  REQUIRE(is_there(dead.pidfd()));
  const auto evidence = read(dead);
  REQUIRE(evidence);
  CHECK(evidence->name == "sleep");
  CHECK(evidence->executable.empty());
  CHECK(evidence->arguments.empty());
  CHECK(evidence->uid == ::geteuid());
  REQUIRE_FALSE(evidence->parents.empty());
  CHECK(evidence->parents.front().pid == ::getpid());
}

TEST_CASE("nothing is known of a process that is gone, even if its number is taken again") {
  ChildProcess gone(kNothing);
  const driftd::manifests::UniqueFd pidfd(::fcntl(gone.pidfd(), F_DUPFD_CLOEXEC, 0));
  gone.reap();
  CHECK_FALSE(is_there(pidfd.get()));
  CHECK_FALSE(must(ProcessReader::open()).read(pidfd.get()));
}

TEST_CASE("no descriptor, or one of something else, is nobody") {
  ProcessReader reader = must(ProcessReader::open());
  const driftd::manifests::UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  CHECK_FALSE(reader.read(-1));
  CHECK_FALSE(reader.read(file.get()));
}

TEST_CASE("after an exec it is the successor that is named, with nothing left of who was before") {
  const TempTree tree;
  const std::string go = tree.at("go");
  const ChildProcess process(
      ChildProcess::program({"/bin/sh", "-c", "while ! [ -e " + go + " ]; do sleep 0.01; done; exec sleep 1000"}));
  REQUIRE(read(process)->name == "sh");
  tree.file("go", "");
  std::optional<Evidence> evidence;
  do {
    evidence = read(process);
  } while (!evidence || evidence->name == "sh" || evidence->arguments.empty());
  REQUIRE(evidence);
  CHECK(evidence->name == "sleep");
  CHECK(evidence->executable == real("/bin/sleep"));
  CHECK(evidence->arguments == Words{"sleep", "1000"});
}

TEST_CASE("hostile bytes are taken as they are") {
  const std::string name = "a) R 1\n(\xff";
  const ChildProcess process([&] { ::prctl(PR_SET_NAME, name.c_str()); });
  const auto evidence = read(process);
  REQUIRE(evidence);
  CHECK(evidence->name == name);
  REQUIRE_FALSE(evidence->parents.empty());
  CHECK(evidence->parents.front().pid == ::getpid());

  const TempTree tree;
  std::filesystem::copy("/bin/sleep", tree.at("\x1b[2J\n"));
  const ChildProcess program(ChildProcess::program({tree.at("\x1b[2J\n"), "1000"}));
  const auto other = read(program);
  REQUIRE(other);
  CHECK(other->executable == tree.at("\x1b[2J\n"));
  CHECK(other->arguments == Words{tree.at("\x1b[2J\n"), "1000"});
}

TEST_CASE("a long command line is cut, and so is each argument") {
  const std::string secret(500, 's');
  const ChildProcess process(ChildProcess::program({"/bin/sh", "-c", "kill -STOP $$; :", secret, "behind"}));
  const auto evidence = read(process);
  REQUIRE(evidence);
  CHECK(evidence->arguments_cut);
  CHECK(evidence->arguments == Words{"/bin/sh", "-c", "kill -STOP $$; :", secret.substr(0, 80), "behind"});
}

TEST_CASE("the chain of parents is whole, and ends somewhere") {
  const auto chain = [](std::size_t depth) {
    std::vector<int> expected;
    std::optional<Evidence> evidence;
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const ChildProcess top([&] {
      for (std::size_t i = 1; i < depth; ++i) {
        const pid_t below = ::fork();
        if (below > 0) {
          (void)::prctl(PR_SET_CHILD_SUBREAPER, 0);
          ::close(ends[1]);
          for (;;) ::pause();
        }
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int pid = ::getpid();
        (void)!::write(ends[1], &pid, sizeof pid);
      }
    });
    expected.push_back(top.pid());
    for (std::size_t i = 1; i < depth; ++i) {
      int pid = 0;
      REQUIRE(::read(ends[0], &pid, sizeof pid) == sizeof pid);
      expected.push_back(pid);
    }
    ::close(ends[0]);
    ::close(ends[1]);
    const driftd::manifests::UniqueFd leaf(driftd::test::open_pidfd(expected.back()));
    evidence = must(ProcessReader::open()).read(leaf.get());
    REQUIRE(evidence);
    expected.pop_back();
    return std::pair(*evidence, std::vector<int>(expected.rbegin(), expected.rend()));
  };
  const auto [few, above_few] = chain(5);
  auto found = pids(few);
  REQUIRE(found.size() >= 5);
  CHECK(found[4] == ::getpid());
  found.resize(4);
  CHECK(found == above_few);

  const auto [many, above_many] = chain(40);
  CHECK(pids(many) == std::vector<int>(above_many.begin(), above_many.begin() + 16));
  CHECK(many.parents_cut);
}

TEST_CASE("another user") {
  if (!is_root()) return driftd::test::skip("needs root");
  const ChildProcess process([] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(1);
  });
  const auto evidence = read(process);
  REQUIRE(evidence);
  CHECK(evidence->uid == kNobody);
  CHECK(evidence->user == "nobody");
  // Which it became within its program, perhaps after what it did.
  CHECK(evidence->uid_in_doubt);
}

TEST_CASE("a user that a program began with and kept is one") {
  if (!is_root()) return driftd::test::skip("needs root");
  const auto sleep = ChildProcess::program({"/bin/sleep", "1000"});
  const ChildProcess process([&] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(1);
    sleep();
  });
  const auto evidence = read(process);
  REQUIRE(evidence);
  CHECK(evidence->uid == kNobody);
  CHECK_FALSE(evidence->uid_in_doubt);
}

TEST_CASE("a user namespace has numbers of its own") {
  if (!is_root()) return driftd::test::skip("needs root");
  const auto sleep = ChildProcess::program({"/bin/sleep", "1000"});
  const ChildProcess process([&] {
    // Root within, nobody without.
    const bool is_made = ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0 && ::prctl(PR_SET_DUMPABLE, 1) == 0 &&
                         ::unshare(CLONE_NEWUSER) == 0;
    std::ofstream("/proc/self/uid_map") << "0 " << kNobody << " 1\n";
    if (!is_made || ::geteuid() != 0) ::_exit(1);
    sleep();
  });
  const auto evidence = read(process);
  // Without it has ended, perhaps as a zombie: the kernel, or a sanitizer's thread, allows none.
  if (!evidence || evidence->executable.empty()) return driftd::test::skip("needs user namespaces");
  CHECK(evidence->uid == kNobody);
  CHECK(evidence->uid_in_doubt);
}

TEST_CASE("of threads with users of their own it is not known which one wrote") {
  if (!is_root()) return driftd::test::skip("needs root");
  for (const uid_t other : {uid_t{0}, uid_t{kNobody}}) {
    const ChildProcess process([other] {
      std::atomic<bool> is_set{false};
      std::thread([&] {
        // The kernel's own call is for this thread alone.
        (void)::syscall(SYS_setresuid, other, other, other);
        is_set = true;
        for (;;) ::pause();
      }).detach();
      while (!is_set) ::usleep(1000);
    });
    const auto evidence = read(process);
    REQUIRE(evidence);
    CHECK(evidence->uid.has_value() == (other == 0));
    CHECK(evidence->user == (other == 0 ? "root" : ""));
  }
}

TEST_CASE("there is no time to ask each of very many threads") {
  for (const int others : {10, 100}) {
    const ChildProcess process([others] {
      for (int i = 0; i < others; ++i) {
        std::thread([] {
          for (;;) ::pause();
        }).detach();
      }
    });
    const auto evidence = read(process);
    REQUIRE(evidence);
    CHECK(evidence->uid == ::geteuid());
    CHECK(evidence->uid_in_doubt == (others == 100));
  }
}

TEST_CASE("without the right to signal or to trace a process less is known of it, and nothing wrong") {
  if (!is_root()) return driftd::test::skip("needs root");
  const ChildProcess process(ChildProcess::program({"/bin/sleep", "1000"}));
  const std::string said = driftd::test::as_nobody([&]() -> std::string {
    const auto evidence = read(process);
    if (!is_there(process.pidfd()) || !evidence) return "nothing is known";
    return evidence->name + " " + evidence->user + " " + evidence->executable;
  });
  CHECK(said == "sleep root ");
}

TEST_CASE("names come from the host's accounts as they are now") {
  const TempTree tree;
  tree.file("passwd", "first:x:" + std::to_string(::geteuid()) + ":0::/:\n");
  ProcessReader reader = must(ProcessReader::open("/proc", tree.at("passwd")));
  const ChildProcess process(kNothing);
  CHECK(reader.read(process.pidfd())->user == "first");
  tree.file("new", "second:x:" + std::to_string(::geteuid()) + ":0::/:\n");
  tree.rename("new", "passwd");
  CHECK(reader.read(process.pidfd())->user == "second");
  tree.remove("passwd");
  CHECK(reader.read(process.pidfd())->user.empty());
}

TEST_CASE("who logged in is another question than who one is, and nobody is no root") {
  const ChildProcess none(kNothing);
  const auto without = read(none);
  REQUIRE(without);
  if (without->login_uid) return driftd::test::skip("these tests run in a login session");
  CHECK(without->login_user.empty());
  CHECK_FALSE(without->session);

  const ChildProcess login([] { std::ofstream("/proc/self/loginuid") << "1"; });
  const auto with = read(login);
  REQUIRE(with);
  if (!with->login_uid) return driftd::test::skip("may not begin a login session");
  CHECK(with->login_uid == 1);
  CHECK(with->login_user == "daemon");
  CHECK(with->uid == ::geteuid());
  CHECK(with->session);
}

TEST_CASE("the terminal") {
  const ChildProcess none([] { ::setsid(); });
  CHECK(read(none)->terminal.empty());

  char name[PATH_MAX] = {};
  int terminal = -1;
  int side = -1;
  REQUIRE(::openpty(&terminal, &side, name, nullptr, nullptr) == 0);
  const ChildProcess process([&] { ::login_tty(side); });
  const auto evidence = read(process);
  REQUIRE(evidence);
  CHECK("/dev/" + evidence->terminal == name);
  if (is_root()) {
    const ChildProcess apart([&] {
      ::login_tty(side);
      if (::unshare(CLONE_NEWNS) != 0) ::_exit(1);
    });
    const auto elsewhere = read(apart);
    REQUIRE(elsewhere);
    CHECK(elsewhere->terminal.empty());
  }
  ::close(side);
  ::close(terminal);
}

TEST_CASE("in a container's pid namespace, users and terminals are the container's own to name") {
  if (!is_root()) return driftd::test::skip("needs root");
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const ChildProcess outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
    const int inner = ::fork();
    if (inner > 0) (void)!::write(ends[1], &inner, sizeof inner);
    if (inner == 0) (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  });
  int inner = 0;
  REQUIRE(::read(ends[0], &inner, sizeof inner) == sizeof inner);
  ::close(ends[0]);
  ::close(ends[1]);
  const driftd::manifests::UniqueFd pidfd(driftd::test::open_pidfd(inner));
  const auto evidence = must(ProcessReader::open()).read(pidfd.get());
  REQUIRE(evidence);
  CHECK(evidence->pid == inner);
  CHECK(evidence->uid == 0);
  CHECK(evidence->user.empty());
  CHECK(evidence->parents.front().pid == outer.pid());
}

TEST_CASE("a thousand processes that come and go are never taken for each other") {
  if (!is_root()) return driftd::test::skip("needs root");
  ProcessReader reader = must(ProcessReader::open());
  int known = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    const unsigned uid = 2000 + i % 7;
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::setuid(uid) != 0) ::_exit(1);
      ::_exit(0);
    }
    const driftd::manifests::UniqueFd pidfd(driftd::test::open_pidfd(pid));
    if (i % 3 == 0) (void)::waitpid(pid, nullptr, 0);
    const auto evidence = reader.read(pidfd.get());
    if (evidence) {
      ++known;
      CHECK(evidence->pid == pid);
      // It is root's until it becomes another's. A thread of ThreadSanitizer's does not become it: then nobody is
      // named.
      CHECK((!evidence->uid || evidence->uid == uid || evidence->uid == 0U));
    }
    if (i % 3 != 0) (void)::waitpid(pid, nullptr, 0);
    if (i % 3 == 0) CHECK_FALSE(evidence);
  }
  CHECK(known > 500);
}
