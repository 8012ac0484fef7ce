#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

/// What a command and all that it starts and waits for spends: wall-clock seconds, CPU seconds, and the peak memory of
/// the largest process in KiB. A program of its own, because a process begins with the peak of the one that started it,
/// and an interpreter's would hide a small program's.
int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: spend FILE COMMAND [ARGUMENT...]    writes `SECONDS CPU_SECONDS PEAK_KIB` to FILE\n");
    return 64;
  }
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || ::wait4(child, &status, 0, &usage) != child) {
    std::perror("spend");
    return 127;
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  std::FILE* out = std::fopen(argv[1], "w");
  if (out == nullptr) {
    std::perror(argv[1]);
    return 127;
  }
  std::fprintf(out, "%.6f %.6f %ld\n", taken.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime),
               usage.ru_maxrss);
  std::fclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
