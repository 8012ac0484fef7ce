#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/control_protocol.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

/// The daemon's side of one conversation. Whoever keeps it may answer later; it is dropped to end without an answer.
class ControlReply {
 public:
  virtual ~ControlReply() = default;
  /// For standard error of the command that asks: one line, made safe.
  virtual void note(const std::string& text) = 0;
  /// The end.
  virtual void finish(int exit, std::string output) = 0;
  /// False: whoever asked has gone.
  [[nodiscard]] virtual bool is_wanted() const = 0;
  [[nodiscard]] virtual pid_t pid() const = 0;
};
using ControlHandler = std::function<void(const ControlRequest&, std::shared_ptr<ControlReply>)>;

/// A Unix stream socket, mode 0600, on the io_context's thread, for root and the daemon's own user. Connections have
/// limits in number, time and size: the oldest that has not said what it wants makes room for a new one, so that slow
/// or hostile clients cost nothing to anyone else.
class ControlSocket {
 public:
  ControlSocket(boost::asio::io_context& context, ControlHandler handler);
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();

  /// Listens in that directory, which is made if only it itself is missing, and nowhere else. What a daemon left that
  /// has died is replaced; one that lives keeps its socket, and this one has none. Without a socket the daemon does its
  /// work all the same, so that is logged and told by problem(), and is no reason to end.
  void listen(const std::string& run_directory);
  /// To be called regularly: if the socket is not there, or is not this one's any more, tries anew.
  void keep();
  /// Why it does not work; empty: it does.
  [[nodiscard]] const std::string& problem() const;

  /// Closes everything, and removes the socket if it is this daemon's.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace driftd::daemon
