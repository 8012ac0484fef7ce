#include "daemon/control_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "daemon/peer.hpp"
#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

constexpr int kPatienceSeconds = 10;
constexpr const char* kWithoutDaemon = "driftd --check looks without it";

void set_patience(int socket, int seconds) {
  const timeval limit{seconds, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Error no_answer(const std::string& name) {
  return {ErrorCode::io,
          fmt::format("{}: the daemon does not answer; {}, and its log may say why", name, kWithoutDaemon)};
}

bool is_not_running(int error) { return error == ENOENT || error == ECONNREFUSED; }

Error not_connected(const std::string& path, int error, const std::string& config_problem) {
  const std::string name = manifests::escape(path);
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      if (!config_problem.empty()) {
        return {ErrorCode::io, fmt::format("{}: no daemon is running, and none would start: {}", name, config_problem)};
      }
      return {ErrorCode::io,
              fmt::format("{}: no daemon is running; start it (systemctl start driftd); {}", name, kWithoutDaemon)};
    case EACCES:
    case EPERM: return {ErrorCode::io, name + ": permission denied; run this as root"};
    case EAGAIN: return no_answer(name);
    default: return manifests::system_error(path, error);
  }
}

/// One conversation.
class Conversation {
 public:
  Conversation(int socket, std::string name) : socket_(socket), name_(std::move(name)) {}

  Result<void> send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EPIPE) {
        return {};  // it has answered already, as it does where it refuses
      } else if (errno != EINTR) {
        return errno == EAGAIN ? no_answer(name_) : manifests::system_error("the control socket", errno);
      }
    }
    return {};
  }

  Result<ControlLine> line() {
    std::size_t end = 0;
    while ((end = received_.find('\n')) == std::string::npos) {
      if (received_.size() > kMaxControlLine) return nonsense("a line without an end");
      if (auto more = receive(kMaxControlLine); !more) return more.error();
    }
    auto line = parse_answer_line(std::string_view(received_).substr(0, end));
    if (!line) return nonsense(line.error().message);
    received_.erase(0, end + 1);
    return line;
  }

  Result<std::string> bytes(std::size_t length) {
    while (received_.size() < length) {
      if (auto more = receive(length - received_.size()); !more) return more.error();
    }
    received_.resize(length);
    return std::move(received_);
  }

 private:
  [[nodiscard]] Error nonsense(const std::string& what) const {
    return {ErrorCode::io, fmt::format("{}: this is no answer of a driftd that I know: {}", name_, what)};
  }

  Result<void> receive(std::size_t most) {
    char buffer[64 * 1024];
    ssize_t got = 0;
    do {
      got = ::recv(socket_, buffer, std::min(most, sizeof buffer), 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
      received_.append(buffer, static_cast<std::size_t>(got));
      return {};
    }
    if (got < 0 && errno == EAGAIN) return no_answer(name_);
    return Error{ErrorCode::io, fmt::format("{}: the daemon ended, or has too much to do, before it had answered; {}",
                                            name_, kWithoutDaemon)};
  }

  const int socket_;
  const std::string name_;
  std::string received_;
};

}  // namespace

Result<ControlAnswer> ask_daemon(const std::string& run_directory, const ControlRequest& request,
                                 const std::string& config_problem,
                                 const std::function<void(std::string_view)>& on_note) {
  const std::string path = run_directory + "/" + kControlSocketName;
  const std::string name = manifests::escape(path);
  const manifests::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return manifests::system_error("a socket", errno);
  set_patience(socket.get(), kPatienceSeconds);
  const int error = connect_to(socket.get(), path) == 0 ? 0 : errno;
  if (!config_problem.empty() && !is_not_running(error)) on_note(config_problem);
  if (error != 0) return not_connected(path, error, config_problem);
  // Whoever can write that directory could call everything clean.
  const auto peer = peer_of(socket.get());
  if (!peer || !is_trusted(*peer)) {
    return Error{ErrorCode::io, name + ": answered by a user who is neither root nor you, and so not believed"};
  }
  Conversation conversation(socket.get(), name);
  if (auto sent = conversation.send(request_line(request)); !sent) return sent.error();
  while (true) {
    auto line = conversation.line();
    if (!line) return line.error();
    if (line->end) {
      auto output = conversation.bytes(line->end->length);
      if (!output) return output.error();
      return ControlAnswer{line->end->exit, std::move(*output)};
    }
    on_note(line->note);
    // It is there, and has begun what may take as long as it does.
    if (request.wait) set_patience(socket.get(), 0);
  }
}

}  // namespace driftd::daemon
