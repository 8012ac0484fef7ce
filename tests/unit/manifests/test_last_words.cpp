#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <doctest/doctest.h>

#include "manifests/last_words.hpp"

using namespace driftd::manifests;

namespace {

struct End {
  std::string said;
  int status;  ///< as of waitpid(2)
};

/// How a process ends that does this.
End end_of(const std::function<void()>& work) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    set_last_words({"program: ", ends[1], 3});
    try {
      work();
    } catch (...) {
      end_with_last_words();
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  End end{};
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    end.said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  REQUIRE(::waitpid(process, &end.status, 0) == process);
  return end;
}

}  // namespace

TEST_CASE("an exception that nobody expected ends a program with a line and an exit code, on any thread") {
  const struct {
    std::function<void()> fails;
    std::string said;
  } cases[] = {
      {[] { throw std::bad_alloc(); },
       "program: not enough memory to go on; free some, or raise the limit (ulimit -v)\n"},
      {[] { throw std::system_error(EAGAIN, std::generic_category()); },
       "program: Resource temporarily unavailable; no room for another thread: raise the limits (ulimit -u, -v)\n"},
      {[] { throw std::runtime_error("a\nb\x1b[31m|c"); }, "program: a?b?[31m?c\n"},
      {[] { throw std::runtime_error(std::string(2000, 'x')); }, "program: " + std::string(501, 'x') + "\n"},
      {[] { throw 1; }, "program: internal error; please report this\n"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.said);
    for (const bool on_a_thread : {false, true}) {
      CAPTURE(on_a_thread);
      const End end = end_of([&] {
        if (!on_a_thread) one.fails();
        std::thread(one.fails).join();
      });
      CHECK(end.said == one.said);
      CHECK(WIFEXITED(end.status));
      CHECK(WEXITSTATUS(end.status) == 3);
    }
  }
}

TEST_CASE("threads that all fail say so once") {
  const End end = end_of([] {
    const auto fails = [] { throw std::bad_alloc(); };
    std::thread threads[8];
    for (auto& thread : threads) thread = std::thread(fails);
    for (auto& thread : threads) thread.join();
  });
  CHECK(end.said == "program: not enough memory to go on; free some, or raise the limit (ulimit -v)\n");
  CHECK(WEXITSTATUS(end.status) == 3);
}

TEST_CASE("a program that ends for no exception says that it should not have") {
  const End end = end_of([] { std::terminate(); });
  CHECK(end.said == "program: internal error; please report this\n");
  CHECK(WEXITSTATUS(end.status) == 3);
}
