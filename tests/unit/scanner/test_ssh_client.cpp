#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <doctest/doctest.h>

#include "scanner/process_evidence.hpp"
#include "tests/unit/support/child_process.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using driftd::scanner::Evidence;
using driftd::scanner::ProcessReader;
using driftd::test::ChildProcess;
using driftd::test::is_root;
using driftd::test::kNobody;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

/// Something that a program can be connected to.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_.get(), 8) == 0);
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] unsigned port() const { return port_; }

 private:
  driftd::manifests::UniqueFd socket_;
  unsigned port_ = 0;
};

constexpr unsigned kNoConnection = 0;

/// A shell below a program that is called like this and holds so many connections: what is known of the shell.
std::optional<Evidence> below(const std::string& program, unsigned connections, unsigned uid,
                              const std::string& name = "") {
  const TempTree tree;
  const Listener listener;
  std::filesystem::copy(std::filesystem::canonical("/bin/bash"), tree.at(program));
  std::string script;
  for (unsigned i = 0; i < connections; ++i) {
    script += "exec " + std::to_string(10 + i) + "<>/dev/tcp/127.0.0.1/" + std::to_string(listener.port()) + "; ";
  }
  if (!name.empty()) script += "printf %s " + name + " > /proc/$BASHPID/comm; ";
  script +=
      "sleep 1000 & echo $! > " + tree.at("pid.new") + "; mv " + tree.at("pid.new") + " " + tree.at("pid") + "; wait";
  tree.mode("", 0777);
  const ChildProcess process([&] {
    ::setenv("SSH_CONNECTION", "203.0.113.9 1 127.0.0.1 22", 1);
    if (::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(1);
    ChildProcess::program({tree.at(program), "-c", script})();
  });
  while (!std::filesystem::exists(tree.at("pid"))) ::usleep(1000);
  int pid = 0;
  std::ifstream(tree.at("pid")) >> pid;
  const driftd::manifests::UniqueFd pidfd(driftd::test::open_pidfd(pid));
  auto evidence = must(ProcessReader::open()).read(pidfd.get());
  (void)::kill(pid, SIGKILL);
  return evidence;
}

}  // namespace

TEST_CASE("the SSH client is who is at the other end of the connection of root's sshd, and nobody else") {
  if (!is_root()) return driftd::test::skip("needs root");
  CHECK(below("sshd", 1, 0)->client == "127.0.0.1");
  CHECK(below("sshd-session", 1, 0)->client == "127.0.0.1");
  // What the environment says is anybody's to say, and so is a name.
  CHECK(below("sshd", kNoConnection, 0)->client.empty());
  CHECK(below("bash", 1, 0)->client.empty());
  CHECK(below("bash", 1, 0, "sshd")->client.empty());
  CHECK(below("sshd", 1, kNobody)->client.empty());
  // One of them may be forwarded.
  CHECK(below("sshd", 2, 0)->client.empty());
}

TEST_CASE("the chain of parents ends at root's sshd") {
  if (!is_root()) return driftd::test::skip("needs root");
  const auto evidence = below("sshd", 1, 0);
  REQUIRE(evidence);
  REQUIRE(evidence->parents.size() == 1);
  CHECK(evidence->parents.front().name == "sshd");
  CHECK_FALSE(evidence->parents_cut);
  CHECK(below("sshd", 1, kNobody)->parents.size() > 1);
}
