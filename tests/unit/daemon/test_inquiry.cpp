#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/inquiry.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"

using namespace driftd::daemon;
using driftd::manifests::Error;
using driftd::manifests::ErrorCode;
using driftd::manifests::Result;
using driftd::test::check_error;
using driftd::test::must;
using namespace std::chrono_literals;
using About = Inquiry::About;
using Texts = Inquiry::Texts;

namespace {

Result<Texts> hang(const About&) {
  for (;;) ::pause();
}

}  // namespace

TEST_CASE("what another process is told by a file system is told here") {
  const Texts texts{"one", "", std::string("\0\n", 2), std::string(300'000, 'x')};
  const int self = ::getpid();
  const auto answers = ask_apart(
      {{"/a", [&](const About&) -> Result<Texts> { return texts; }},
       {"/b",
        [&](const About& about) -> Result<Texts> {
          about("/c");
          return Error{ErrorCode::format, "not so"};
        }},
       {"/c", [&](const About&) -> Result<Texts> { return Texts{::getpid() == self ? "here" : "elsewhere"}; }}});
  REQUIRE(answers.size() == 3);
  CHECK(must(answers[0]) == texts);
  check_error(answers[1], ErrorCode::format, "not so");
  CHECK(must(answers[2]) == Texts{"elsewhere"});
  CHECK(must(ask_apart(Inquiry{"/a", [](const About&) -> Result<Texts> { return Texts{}; }})).empty());
}

TEST_CASE("what does not answer is named, and holds up no other answer") {
  const auto answers = ask_apart({{"/hangs", hang, 50ms},
                                  {"/first",
                                   [](const About& about) {
                                     about("/then\n");
                                     return hang(about);
                                   },
                                   50ms},
                                  {"/answers", [](const About&) -> Result<Texts> { return Texts{"yes"}; }}});
  check_error(answers[0], ErrorCode::stalled, "/hangs: its file system has not answered for 0 s");
  check_error(answers[1], ErrorCode::stalled, "/then\\x0a: its file system has not answered");
  CHECK(must(answers[2]) == Texts{"yes"});
}

TEST_CASE("what goes on answering is heard to its end") {
  const auto slow = [](const About& about) -> Result<Texts> {
    for (int i = 0; i < 25; ++i) {
      std::this_thread::sleep_for(100ms);
      about("/step");
    }
    return Texts{"done"};
  };
  CHECK(must(ask_apart(Inquiry{"/slow", slow, 2s})) == Texts{"done"});
}

TEST_CASE("a process that dies is not called a file system that hangs") {
  const auto dies = [](const About& about) -> Result<Texts> {
    about("/srv/app");
    ::raise(SIGKILL);
    return Texts{};
  };
  check_error(ask_apart(Inquiry{"/srv", dies}), ErrorCode::io,
              "/srv/app: the process that asked its file system was ended by signal 9 (Killed)");
  const auto ends = [](const About&) -> Result<Texts> { ::_exit(3); };
  check_error(ask_apart(Inquiry{"/srv", ends}), ErrorCode::io,
              "/srv: the process that asked its file system ended with code 3, without an answer");
  const auto throws = [](const About&) -> Result<Texts> { throw std::runtime_error("no memory"); };
  check_error(ask_apart(Inquiry{"/srv", throws}), ErrorCode::io, "/srv: no memory");
}

TEST_CASE("what is open here is read here") {
  const int self = ::getpid();
  for (const std::string path : {"/dev/stdin", "/dev/fd/3", "/proc/self/fd/3"}) {
    const auto ask = [&](const About&) -> Result<Texts> { return Texts{::getpid() == self ? "here" : "elsewhere"}; };
    CHECK(must(ask_apart(Inquiry{path, ask})) == Texts{"here"});
  }
}
