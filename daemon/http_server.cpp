#include "daemon/http_server.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr auto kRequestTime = std::chrono::seconds(10);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr std::uint32_t kMaxHeader = 8 * 1024;
constexpr std::uint64_t kMaxBody = 1024;
constexpr std::size_t kMaxConnections = 128;

}  // namespace

class HttpServer::Impl : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(asio::io_context& context, HttpHandler handler) : context_(context), handler_(std::move(handler)) {}

  manifests::Result<void> listen(const std::vector<Endpoint>& endpoints) {
    Listeners wanted;
    for (const Endpoint& endpoint : endpoints) {
      // An address that is listened on already stays so: binding it again would fail.
      const auto same = std::find_if(listeners_.begin(), listeners_.end(),
                                     [&](const auto& one) { return one->endpoint == endpoint; });
      if (same != listeners_.end()) {
        wanted.push_back(*same);
        continue;
      }
      wanted.push_back(std::make_shared<Listener>(endpoint, context_));
      if (auto opened = open(*wanted.back()); !opened) return opened;
    }
    for (const auto& listener : wanted) {
      if (std::find(listeners_.begin(), listeners_.end(), listener) == listeners_.end()) accept(listener);
    }
    listeners_.swap(wanted);
    for (const auto& listener : wanted) {
      if (std::find(listeners_.begin(), listeners_.end(), listener) == listeners_.end()) listener->close();
    }
    return {};
  }

  void stop() {
    for (const auto& listener : listeners_) listener->close();
    listeners_.clear();
  }

  [[nodiscard]] HttpResponse answer(std::string_view path) const { return handler_(path); }

  void closed() { --connections_; }

 private:
  /// Kept by its pending accept, so that it outlives being dropped from the list.
  struct Listener {
    Listener(Endpoint where, asio::io_context& context)
        : endpoint(std::move(where)), acceptor(context), pause(context) {}
    void close() {
      beast::error_code ignored;
      acceptor.close(ignored);
      pause.cancel();
    }

    Endpoint endpoint;
    tcp::acceptor acceptor;
    asio::steady_timer pause;  ///< after a failed accept, as when descriptors run out
  };
  using Listeners = std::vector<std::shared_ptr<Listener>>;

  static manifests::Result<void> open(Listener& listener) {
    const Endpoint& wanted = listener.endpoint;
    const std::string name = wanted.address + ":" + std::to_string(wanted.port);
    beast::error_code error;
    const auto address = asio::ip::make_address(wanted.address, error);
    if (error) {
      return manifests::Error{manifests::ErrorCode::usage,
                              "web.listen " + manifests::escape(name) + ": not an IP address"};
    }
    const tcp::endpoint endpoint(address, wanted.port);
    tcp::acceptor& acceptor = listener.acceptor;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && address.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return manifests::system_error("listening on " + name, error.value());
    return {};
  }

  void accept(const std::shared_ptr<Listener>& listener);

  asio::io_context& context_;
  HttpHandler handler_;
  Listeners listeners_;
  std::size_t connections_ = 0;

  class Session;
};

/// One connection, request after request. Lives as long as an operation of its own is pending.
class HttpServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Impl> server) : stream_(std::move(socket)), server_(std::move(server)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { server_->closed(); }

  void read() {
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(kMaxBody);
    stream_.expires_after(kRequestTime);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error == http::error::header_limit || error == http::error::body_limit) {
        return self->respond({431, "text/plain; charset=utf-8", "request too large\n"}, false);
      }
      if (!error) self->handle();
    });
  }

 private:
  void handle() {
    const auto& request = parser_->get();
    const std::string_view target(request.target().data(), request.target().size());
    const bool is_get = request.method() == http::verb::get || request.method() == http::verb::head;
    HttpResponse response = is_get
                                ? server_->answer(target.substr(0, target.find('?')))
                                : HttpResponse{405, "text/plain; charset=utf-8", "only GET and HEAD are served here\n"};
    respond(std::move(response), request.keep_alive());
  }

  void respond(HttpResponse content, bool keep_alive) {
    response_ = {};
    response_.version(11);
    response_.result(content.status);
    response_.set(http::field::content_type, content.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (content.status == 405) response_.set(http::field::allow, "GET, HEAD");
    response_.keep_alive(keep_alive);
    body_ = content.shared_body ? std::move(content.shared_body)
                                : std::make_shared<const std::string>(std::move(content.body));
    response_.content_length(body_->size());
    const bool is_head = parser_->is_header_done() && parser_->get().method() == http::verb::head;
    if (!is_head) response_.body() = {body_->data(), body_->size()};
    stream_.expires_after(kRequestTime);
    http::async_write(stream_, response_,
                      [self = shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
                        if (error) return;
                        if (keep_alive) return self->read();
                        self->stream_.socket().shutdown(tcp::socket::shutdown_both, error);
                      });
  }

  beast::tcp_stream stream_;
  std::shared_ptr<Impl> server_;
  beast::flat_buffer buffer_{kMaxHeader + kMaxBody};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<const std::string> body_;
  http::response<http::span_body<const char>> response_;  ///< shows `body_`
};

void HttpServer::Impl::accept(const std::shared_ptr<Listener>& listener) {
  listener->acceptor.async_accept([self = shared_from_this(), listener](beast::error_code error, tcp::socket socket) {
    if (!listener->acceptor.is_open()) return;
    if (error) {
      listener->pause.expires_after(kAcceptPause);
      return listener->pause.async_wait([self, listener](beast::error_code) {
        if (listener->acceptor.is_open()) self->accept(listener);
      });
    }
    if (self->connections_ < kMaxConnections) {
      ++self->connections_;
      std::make_shared<Session>(std::move(socket), self)->read();
    }
    self->accept(listener);
  });
}

HttpServer::HttpServer(asio::io_context& context, HttpHandler handler)
    : impl_(std::make_shared<Impl>(context, std::move(handler))) {}

HttpServer::~HttpServer() { stop(); }

manifests::Result<void> HttpServer::listen(const std::vector<Endpoint>& endpoints) { return impl_->listen(endpoints); }

void HttpServer::stop() { impl_->stop(); }

}  // namespace driftd::daemon
