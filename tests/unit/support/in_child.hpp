#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

/// Work that needs another user or a mount of its own happens in a child process, so that the test program itself
/// stays what it is. The child says what is wrong with it by a text, empty where all is well.
namespace driftd::test {

inline constexpr unsigned kNobody = 65534;

/// What `work()` returned as text in a child process.
template <class Work>
std::string in_child(Work work) {
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return "no pipe";
  std::cout.flush();  // else what is buffered would be written twice
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return "no child";
  if (child == 0) {
    std::string said;
    try {
      said = work();
    } catch (const std::exception& error) {
      said = error.what();
    }
    (void)!::write(pipe_ends[1], said.data(), said.size());
    ::_exit(0);  // neither doctest nor the leak checker has business in a child
  }
  ::close(pipe_ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(pipe_ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(got));
  ::close(pipe_ends[0]);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0)
    said += " (the child died: status " + std::to_string(status) + ")";
  return said;
}

inline bool is_root() { return ::geteuid() == 0; }

/// As in_child(), as a user that owns nothing. Needs root.
template <class Work>
std::string as_nobody(Work work) {
  return in_child([&]() -> std::string {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return "cannot become nobody";
    return work();
  });
}

/// As in_child(), where mounts do not reach the rest of the machine. Needs root.
template <class Work>
std::string with_own_mounts(Work work) {
  return in_child([&]() -> std::string {
    if (::unshare(CLONE_NEWNS) != 0) return "cannot have mounts of its own";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "cannot keep mounts private";
    return work();
  });
}

}  // namespace driftd::test
