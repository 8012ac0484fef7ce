#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// Debian 12's header lacks what C++ needs to link it.
inline int open_pidfd(int pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// A process that is known by a pidfd, and is ended and reaped with this object.
class ChildProcess {
 public:
  /// `work` runs in the child, which then waits until it is ended, but for what `work` itself makes of it.
  explicit ChildProcess(const std::function<void()>& work) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      work();
      (void)!::write(ready[1], "", 1);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    // It is closed when a program is executed.
    char byte = 0;
    (void)!::read(ready[0], &byte, 1);
    ::close(ready[0]);
    pidfd_.reset(open_pidfd(pid_));
    if (pid_ < 0 || !pidfd_) throw std::runtime_error("no child");
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() { reap(); }

  /// Runs a program, and returns when it has been executed.
  static std::function<void()> program(std::vector<std::string> words) {
    return [words = std::move(words)]() mutable {
      std::vector<char*> arguments;
      for (std::string& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      ::execv(words.front().c_str(), arguments.data());
      ::_exit(127);
    };
  }

  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  void end() const { (void)::kill(pid_, SIGKILL); }
  /// Dead, and not reaped.
  void make_zombie() const {
    end();
    siginfo_t info{};
    (void)::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void reap() {
    if (pid_ <= 0) return;
    end();
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  int pid_ = 0;
  manifests::UniqueFd pidfd_;
};

}  // namespace driftd::test
