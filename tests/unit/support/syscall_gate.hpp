#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// Runs something, and decides about each system call by which it looks at files: `decide(nth)`, counting from 1, may
/// do whatever it likes before the call happens, and returns an errno for the call to fail with, or 0. By seccomp's
/// user notification, so that neither root nor a special build is needed and every call is the kernel's.
class SyscallGate {
 public:
  using Decide = std::function<int(unsigned nth)>;
  using Calls = std::vector<int>;  ///< numbers as in sys/syscall.h

  /// Throws where the kernel does not grant the filter, and what `work` throws. Returns the calls that were made.
  static Calls run(const std::function<void()>& work, const Decide& decide) {
    std::promise<int> listener;
    std::exception_ptr failure;
    auto fd = listener.get_future();
    std::thread thread([&] {
      const int filter = install_filter();
      listener.set_value(filter < 0 ? -errno : filter);
      if (filter < 0) return;
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
    });
    const int got = fd.get();
    Calls calls;
    if (got >= 0) calls = supervise(manifests::UniqueFd(got), decide);
    thread.join();
    if (got < 0) throw std::runtime_error("no seccomp filter: errno " + std::to_string(-got));
    if (failure) std::rethrow_exception(failure);
    return calls;
  }

 private:
  /// For this thread and those that it starts.
  static int install_filter() {
    constexpr std::array kCalls{SYS_openat,     SYS_openat2,   SYS_statx,     SYS_newfstatat, SYS_fstat,
                                SYS_getdents64, SYS_read,      SYS_preadv2,   SYS_pread64,    SYS_readlinkat,
                                SYS_flistxattr, SYS_fgetxattr, SYS_listxattr, SYS_getxattr};
    std::array<sock_filter, kCalls.size() + 3> program{};
    program[0] = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
    for (std::size_t i = 0; i < kCalls.size(); ++i) {
      program[i + 1] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(kCalls[i]),
                                static_cast<std::uint8_t>(kCalls.size() - i), 0);
    }
    program[kCalls.size() + 1] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[kCalls.size() + 2] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
  }

  static Calls supervise(const manifests::UniqueFd& listener, const Decide& decide) {
    Calls calls;
    for (;;) {
      pollfd waiting{listener.get(), POLLIN, 0};
      if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return calls;
      if ((waiting.revents & POLLIN) == 0) {
        if ((waiting.revents & POLLHUP) != 0) return calls;  // the last thread under the filter has ended
        continue;
      }
      seccomp_notif call{};
      if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
      seccomp_notif_resp answer{};
      answer.id = call.id;
      calls.push_back(call.data.nr);
      answer.error = -decide(static_cast<unsigned>(calls.size()));
      if (answer.error == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      (void)::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
  }
};

}  // namespace driftd::test
