#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/process_evidence.hpp"
#include "tests/unit/support/child_process.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::manifests::UniqueFd;
using driftd::scanner::Evidence;
using driftd::scanner::ProcessReader;
using driftd::test::ChildProcess;
using driftd::test::is_root;
using driftd::test::kNobody;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

UniqueFd bound_to(const char* host) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, host, &address.sin_addr) == 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

/// Where clients come in from 127.0.0.7.
class Listener {
 public:
  explicit Listener(unsigned clients) : socket_(bound_to("127.0.0.1")) {
    REQUIRE(::listen(socket_.get(), 8) == 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    for (unsigned i = 0; i < clients; ++i) {
      clients_.push_back(bound_to("127.0.0.7"));
      REQUIRE(::connect(clients_.back().get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
      accepted_.emplace_back(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  }
  [[nodiscard]] unsigned port() const { return port_; }
  /// The connections are the program's that is executed next.
  void hand_on() const {
    for (const UniqueFd& connection : accepted_) (void)::fcntl(connection.get(), F_SETFD, 0);
  }

 private:
  UniqueFd socket_;
  unsigned port_ = 0;
  std::vector<UniqueFd> clients_;
  std::vector<UniqueFd> accepted_;
};

/// Connections that a program accepted, and that it made.
struct Connections {
  unsigned accepted = 0;
  unsigned made = 0;
};
constexpr Connections kNoConnection{};
constexpr Connections kClient{1, 0};

/// A shell below a program that is called like this and holds these connections: what is known of the shell.
std::optional<Evidence> below(const std::string& program, Connections connections, unsigned uid,
                              const std::string& name = "") {
  const TempTree tree;
  const Listener listener(connections.accepted);
  std::filesystem::copy(std::filesystem::canonical("/bin/bash"), tree.at(program));
  std::string script;
  for (unsigned i = 0; i < connections.made; ++i) {
    script += "exec " + std::to_string(100 + i) + "<>/dev/tcp/127.0.0.1/" + std::to_string(listener.port()) + "; ";
  }
  if (!name.empty()) script += "printf %s " + name + " > /proc/$BASHPID/comm; ";
  script +=
      "sleep 1000 & echo $! > " + tree.at("pid.new") + "; mv " + tree.at("pid.new") + " " + tree.at("pid") + "; wait";
  tree.mode("", 0777);
  const ChildProcess process([&] {
    ::setenv("SSH_CONNECTION", "203.0.113.9 1 127.0.0.1 22", 1);
    listener.hand_on();
    if (::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(1);
    ChildProcess::program({tree.at(program), "-c", script})();
  });
  while (!std::filesystem::exists(tree.at("pid"))) ::usleep(1000);
  int pid = 0;
  std::ifstream(tree.at("pid")) >> pid;
  const UniqueFd pidfd(driftd::test::open_pidfd(pid));
  auto evidence = must(ProcessReader::open()).read(pidfd.get());
  (void)::kill(pid, SIGKILL);
  return evidence;
}

}  // namespace

TEST_CASE("the SSH client is who is at the other end of the connection of root's sshd, and nobody else") {
  if (!is_root()) return driftd::test::skip("needs root");
  CHECK(below("sshd", kClient, 0)->client == "127.0.0.7");
  CHECK(below("sshd-session", kClient, 0)->client == "127.0.0.7");
  // What the environment says is anybody's to say, and so is a name.
  CHECK(below("sshd", kNoConnection, 0)->client.empty());
  CHECK(below("bash", kClient, 0)->client.empty());
  CHECK(below("bash", kClient, 0, "sshd")->client.empty());
  CHECK(below("sshd", kClient, kNobody)->client.empty());
  // One of them may be forwarded, and so may one that it made itself: its client may have come by a pipe.
  CHECK(below("sshd", {2, 0}, 0)->client.empty());
  CHECK(below("sshd", {1, 1}, 0)->client.empty());
  CHECK(below("sshd", {0, 1}, 0)->client.empty());
}

TEST_CASE("the chain of parents ends at root's sshd") {
  if (!is_root()) return driftd::test::skip("needs root");
  const auto evidence = below("sshd", kClient, 0);
  REQUIRE(evidence);
  REQUIRE(evidence->parents.size() == 1);
  CHECK(evidence->parents.front().name == "sshd");
  CHECK_FALSE(evidence->parents_cut);
  CHECK(below("sshd", kClient, kNobody)->parents.size() > 1);
}
