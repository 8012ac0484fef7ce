#include "daemon/control_socket.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/peer.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;
using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

/// For a request to arrive, and for an answer to be taken.
constexpr auto kPatienceWithClient = std::chrono::seconds(10);
/// Between attempts to make the socket.
constexpr auto kRetry = std::chrono::seconds(10);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr std::size_t kMaxConnections = 32;

/// Tells files apart, also those of one name.
struct FileIdentity {
  dev_t device{};
  ino_t inode{};
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

std::optional<FileIdentity> identity_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return FileIdentity{status.st_dev, status.st_ino};
}

/// Whether what stands at the path may be replaced: nothing, or the socket of a daemon that has died.
Result<void> may_replace(const std::string& path) {
  const std::string name = manifests::escape(path);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return manifests::system_error(path, errno);
  }
  if (!S_ISSOCK(status.st_mode)) return Error{ErrorCode::io, name + ": something else than a socket stands there"};
  const manifests::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return manifests::system_error("a socket", errno);
  if (connect_to(probe.get(), path) == 0) {
    const auto peer = peer_of(probe.get());
    return Error{ErrorCode::io, fmt::format("{}: another driftd answers there{}; this one leaves it alone", name,
                                            peer ? fmt::format(" (process {})", peer->pid) : "")};
  }
  if (errno == ECONNREFUSED || errno == ENOENT) return {};
  return manifests::system_error(path + ": another driftd may be there", errno);
}

}  // namespace

class ControlSocket::Impl : public std::enable_shared_from_this<ControlSocket::Impl> {
 public:
  Impl(asio::io_context& context, ControlHandler handler)
      : context_(context), handler_(std::move(handler)), acceptor_(context), pause_(context) {}

  void listen(const std::string& run_directory) {
    if (run_directory != directory_) close();
    directory_ = run_directory;
    retry_at_ = {};
    keep();
  }

  void keep() {
    if (acceptor_.is_open() && identity_of(path()) == identity_) return;
    const auto now = std::chrono::steady_clock::now();
    if (!acceptor_.is_open() && now < retry_at_) return;
    retry_at_ = now + kRetry;
    if (acceptor_.is_open()) spdlog::warn("{}: the control socket is gone; making it anew", manifests::escape(path()));
    close();
    const auto opened = open();
    const std::string problem = opened ? "" : "no control socket: " + opened.error().message;
    if (!opened && problem != problem_) {
      spdlog::error("{}; trees are watched all the same, but driftd status and driftd scan do not work", problem);
    } else if (opened && !problem_.empty()) {
      spdlog::info("{}: the control socket works now", manifests::escape(path()));
    }
    problem_ = problem;
    if (opened) accept();
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

  void close() {
    if (!acceptor_.is_open()) return;
    error_code ignored;
    if (identity_of(path()) == identity_) ::unlink(path().c_str());
    acceptor_.close(ignored);
    pause_.cancel();
  }

  void handle(const ControlRequest& request, std::shared_ptr<ControlReply> reply) {
    handler_(request, std::move(reply));
  }

 private:
  class Session;

  [[nodiscard]] std::string path() const { return directory_ + "/" + kControlSocketName; }

  /// Made under another name first: whoever finds the socket finds it listening, with its mode.
  Result<void> open() {
    const std::string name = manifests::escape(path());
    const std::string made = path() + "." + std::to_string(::getpid());
    if (made.size() >= sizeof(sockaddr_un::sun_path)) {
      return Error{ErrorCode::io, name + ": longer than the name of a socket can be; set run_directory"};
    }
    if (::mkdir(directory_.c_str(), 0755) != 0 && errno != EEXIST) {
      return manifests::system_error(directory_, errno);
    }
    if (auto free = may_replace(path()); !free) return free;
    ::unlink(made.c_str());
    error_code error;
    acceptor_.open(stream_protocol(), error);
    // The mode that the file gets, less the umask.
    if (!error && ::fchmod(acceptor_.native_handle(), 0600) != 0) error.assign(errno, boost::system::system_category());
    if (!error) acceptor_.bind(stream_protocol::endpoint(made), error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    const auto identity = identity_of(made);
    if (!error && (!identity || std::rename(made.c_str(), path().c_str()) != 0)) {
      error.assign(errno, boost::system::system_category());
    }
    if (error) {
      error_code ignored;
      acceptor_.close(ignored);
      ::unlink(made.c_str());
      return manifests::system_error(path(), error.value());
    }
    identity_ = *identity;
    return {};
  }

  void accept();
  void welcome(stream_protocol::socket socket);

  asio::io_context& context_;
  ControlHandler handler_;
  stream_protocol::acceptor acceptor_;
  asio::steady_timer pause_;  ///< after a failed accept, as when descriptors run out
  std::string directory_;
  FileIdentity identity_;
  std::chrono::steady_clock::time_point retry_at_{};
  std::string problem_;
  std::vector<std::weak_ptr<Session>> sessions_;  ///< the oldest first
};

/// Lives as long as an operation of its own is pending, or somebody keeps it to answer.
class ControlSocket::Impl::Session : public ControlReply, public std::enable_shared_from_this<Session> {
 public:
  Session(stream_protocol::socket socket, Peer peer, std::shared_ptr<Impl> server, asio::io_context& context)
      : socket_(std::move(socket)), peer_(peer), server_(std::move(server)), deadline_(context) {}

  void start() {
    if (!is_trusted(peer_)) {
      refuse("only root may ask");
      return;
    }
    set_deadline();
    asio::async_read_until(socket_, asio::dynamic_buffer(request_, kMaxControlRequest), '\n',
                           [self = shared_from_this()](error_code error, std::size_t length) {
                             if (error == asio::error::not_found) return self->refuse("the request is too large");
                             if (!error) self->handle(length);
                           });
  }

  /// Whether it can make room: it has not said yet what it wants.
  [[nodiscard]] bool is_idle() const { return state_ == State::reading; }
  void drop() {
    error_code ignored;
    state_ = State::closed;
    deadline_.cancel();
    socket_.close(ignored);
  }

  void refuse(const std::string& why) {
    note(why);
    finish(manifests::kExitUnknown, {});
  }

  void note(const std::string& text) override { send(note_line(text)); }

  void finish(int exit, std::string output) override {
    if (state_ == State::closed) return;
    state_ = State::ending;
    set_deadline();
    send(end_line(exit, output.size()) + std::move(output));
  }

  [[nodiscard]] bool is_wanted() const override { return state_ != State::closed; }
  [[nodiscard]] pid_t pid() const override { return peer_.pid; }

 private:
  enum class State { reading, answering, ending, closed };

  void handle(std::size_t length) {
    state_ = State::answering;
    deadline_.cancel();
    const auto request = parse_request(std::string_view(request_).substr(0, length));
    if (!request) return refuse("not a request: " + request.error().message);
    request_.clear();
    server_->handle(*request, shared_from_this());
    if (state_ == State::answering) notice_hangup();
  }

  /// Nothing more is expected; whatever comes, an end above all, means that nobody waits any more.
  void notice_hangup() {
    socket_.async_wait(stream_protocol::socket::wait_read, [self = shared_from_this()](error_code error) {
      if (!error && self->state_ == State::answering) self->drop();
    });
  }

  void send(std::string text) {
    if (state_ == State::closed) return;
    waiting_ = waiting_.empty() ? std::move(text) : waiting_ + text;
    if (writing_.empty()) write();
  }

  void write() {
    writing_.swap(waiting_);
    asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](error_code error, std::size_t) {
      self->writing_.clear();
      if (error) return self->drop();
      if (!self->waiting_.empty()) return self->write();
      if (self->state_ == State::ending) self->drop();
    });
  }

  void set_deadline() {
    deadline_.expires_after(kPatienceWithClient);
    deadline_.async_wait([weak = weak_from_this()](error_code error) {
      if (const auto self = weak.lock(); self && !error) self->drop();
    });
  }

  stream_protocol::socket socket_;
  const Peer peer_;
  std::shared_ptr<Impl> server_;
  asio::steady_timer deadline_;
  State state_ = State::reading;
  std::string request_;
  std::string writing_;
  std::string waiting_;
};

void ControlSocket::Impl::welcome(stream_protocol::socket socket) {
  const auto peer = peer_of(socket.native_handle());
  if (!peer) return;
  std::vector<std::shared_ptr<Session>> open;
  for (const auto& one : sessions_) {
    if (auto session = one.lock(); session && session->is_wanted()) open.push_back(std::move(session));
  }
  sessions_.assign(open.begin(), open.end());
  const auto session = std::make_shared<Session>(std::move(socket), *peer, shared_from_this(), context_);
  if (open.size() >= kMaxConnections) {
    const auto idle = std::find_if(open.begin(), open.end(), [](const auto& one) { return one->is_idle(); });
    if (idle == open.end()) return;
    (*idle)->drop();
  }
  sessions_.push_back(session);
  session->start();
}

void ControlSocket::Impl::accept() {
  acceptor_.async_accept([self = shared_from_this()](error_code error, stream_protocol::socket socket) {
    if (error == asio::error::operation_aborted || !self->acceptor_.is_open()) return;
    if (error) {
      self->pause_.expires_after(kAcceptPause);
      return self->pause_.async_wait([self](error_code stopped) {
        if (!stopped && self->acceptor_.is_open()) self->accept();
      });
    }
    self->welcome(std::move(socket));
    self->accept();
  });
}

ControlSocket::ControlSocket(asio::io_context& context, ControlHandler handler)
    : impl_(std::make_shared<Impl>(context, std::move(handler))) {}

ControlSocket::~ControlSocket() { stop(); }

void ControlSocket::listen(const std::string& run_directory) { impl_->listen(run_directory); }

void ControlSocket::keep() { impl_->keep(); }

const std::string& ControlSocket::problem() const { return impl_->problem(); }

void ControlSocket::stop() { impl_->close(); }

}  // namespace driftd::daemon
