#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include "daemon/http_server.hpp"
#include "manifests/unique_fd.hpp"
#include "tests/unit/support/must.hpp"

using driftd::daemon::Endpoint;
using driftd::daemon::HttpResponse;
using driftd::daemon::HttpServer;
using driftd::manifests::UniqueFd;
using driftd::test::must;

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A port that nothing listens on, though another process might take it meanwhile.
std::uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

/// One client connection. Nothing here waits longer than half a minute.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{30, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const sockaddr_in address = loopback(port);
    connected_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }
  void send(const std::string& text) const { (void)!::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL); }
  void finish() const { ::shutdown(fd_.get(), SHUT_WR); }

  /// The next response with as much of a body as it announces; `is_head`: with none.
  std::string response(bool is_head = false) {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return take(received_.size());
    }
    end += 4;
    const std::size_t at = received_.find("Content-Length: ");
    const std::size_t length =
        is_head || at == std::string::npos || at > end ? 0 : std::stoul(received_.substr(at + 16));
    while (received_.size() < end + length && receive()) {
    }
    return take(end + length);
  }

  /// Whatever comes until the server closes.
  std::string rest() {
    while (receive()) {
    }
    return take(received_.size());
  }

 private:
  bool receive() {
    char buffer[4096];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (got > 0) received_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }
  std::string take(std::size_t size) {
    std::string taken = received_.substr(0, size);
    received_.erase(0, size);
    return taken;
  }

  UniqueFd fd_;
  bool connected_ = false;
  std::string received_;
};

/// A server on a thread of its own, as the daemon has one.
class Site {
 public:
  Site() : server_(io_, [this](std::string_view path) { return answer(path); }), thread_([this] { io_.run(); }) {
    listen({{"127.0.0.1", port}});
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() {
    run([&] { server_.stop(); });
    io_.stop();
  }

  void listen(const std::vector<Endpoint>& endpoints) {
    run([&] { must(server_.listen(endpoints)); });
  }
  bool try_listen(const std::vector<Endpoint>& endpoints) {
    bool worked = false;
    run([&] { worked = server_.listen(endpoints).has_value(); });
    return worked;
  }
  void stop() {
    run([&] { server_.stop(); });
  }

  const std::uint16_t port = free_port();
  std::atomic<int> asked = 0;

 private:
  /// On the server's thread, where alone it may be touched.
  template <class Work>
  void run(Work work) {
    std::atomic<bool> done = false;
    std::exception_ptr failure;
    boost::asio::post(io_, [&] {
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
      done = true;
      done.notify_one();
    });
    done.wait(false);
    if (failure) std::rethrow_exception(failure);
  }

  HttpResponse answer(std::string_view path) {
    ++asked;
    if (path == "/large") return {200, "text/plain", std::string(1 << 20, 'x')};
    if (path != "/hello") return {404, "text/plain", "not found\n"};
    return {200, "text/x-test", "hello\n"};
  }

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  HttpServer server_;
  std::jthread thread_;
};

std::string once(std::uint16_t port, const std::string& request, bool is_head = false) {
  Client client(port);
  client.send(request);
  return client.response(is_head);
}

std::string get(std::uint16_t port, const std::string& path) {
  return once(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("GET and HEAD are answered, everything else is told so") {
  Site site;
  const std::string hello = get(site.port, "/hello");
  CHECK(hello.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(holds(hello, "\r\nContent-Type: text/x-test\r\n"));
  CHECK(holds(hello, "\r\nContent-Length: 6\r\n"));
  CHECK(holds(hello, "\r\nCache-Control: no-store\r\n"));
  CHECK(holds(hello, "\r\nX-Content-Type-Options: nosniff\r\n"));
  CHECK(hello.ends_with("\r\n\r\nhello\n"));
  CHECK(get(site.port, "/hello?query=/other").ends_with("hello\n"));
  CHECK(get(site.port, "/other").starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK(get(site.port, "/large").size() > (1 << 20));

  const std::string head = once(site.port, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n", true);
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(holds(head, "\r\nContent-Length: 6\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));

  const int asked = site.asked;
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"}) {
    CAPTURE(method);
    const std::string refused =
        once(site.port, std::string(method) + " /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    CHECK(refused.starts_with("HTTP/1.1 405 "));
    CHECK(holds(refused, "\r\nAllow: GET, HEAD\r\n"));
  }
  CHECK(site.asked == asked);
}

TEST_CASE("a connection serves request after request, until it is told not to") {
  Site site;
  Client client(site.port);
  for (int i = 0; i < 5; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(client.response().ends_with("hello\n"));
  }
  client.send(
      "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: "
      "x\r\n\r\n");
  CHECK(client.response(true).starts_with("HTTP/1.1 200"));
  CHECK(client.response().ends_with("hello\n"));
  CHECK(client.response().starts_with("HTTP/1.1 404"));
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string last = client.response();
  CHECK(last.ends_with("hello\n"));
  CHECK(holds(last, "\r\nConnection: close\r\n"));
  CHECK(client.rest().empty());

  Client old(site.port);
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  CHECK(old.rest().ends_with("hello\n"));
}

TEST_CASE("a request in pieces is a request") {
  Site site;
  Client client(site.port);
  for (const char c : std::string("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")) client.send(std::string(1, c));
  CHECK(client.response().ends_with("hello\n"));
}

TEST_CASE("what is too large is refused, and the connection ends") {
  Site site;
  Client header(site.port);
  header.send("GET /hello HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n");
  CHECK(header.response().starts_with("HTTP/1.1 431 "));
  Client endless(site.port);
  endless.send("GET /" + std::string(64 * 1024, 'x'));
  CHECK_FALSE(holds(endless.rest(), " 200 "));
  Client body(site.port);
  body.send("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + std::string(2000, 'x'));
  CHECK(body.response().starts_with("HTTP/1.1 4"));
  CHECK(site.asked == 0);
  // Just below the limit it is a request.
  CHECK(once(site.port, "GET /hello HTTP/1.1\r\nX: " + std::string(8000, 'x') + "\r\n\r\n").ends_with("hello\n"));
}

TEST_CASE("garbage ends its own connection and nothing else") {
  Site site;
  for (const std::string& garbage :
       {std::string("\0\1\2\xff\r\n\r\n", 8), std::string("GET\r\n\r\n"), std::string("\x16\x03\x01\x02"),
        std::string("GET /hello HTTP/9.9\r\n\r\n"), std::string("\r\n\r\n\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("GET /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")}) {
    CAPTURE(garbage);
    Client client(site.port);
    client.send(garbage);
    client.finish();
    CHECK_FALSE(holds(client.rest(), " 200 "));
    CHECK(get(site.port, "/hello").ends_with("hello\n"));
  }
}

TEST_CASE("clients that say nothing, half of it, or never read cost nobody else anything") {
  Site site;
  std::vector<Client> slow;
  for (int i = 0; i < 30; ++i) {
    slow.emplace_back(site.port);
    REQUIRE(slow.back().connected());
    if (i % 3 == 1) slow.back().send("GET /hel");
    if (i % 3 == 2) {
      for (int request = 0; request < 20; ++request) slow.back().send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    }
  }
  for (int i = 0; i < 5; ++i) CHECK(get(site.port, "/hello").ends_with("hello\n"));
}

TEST_CASE("addresses are taken up and given up while it runs") {
  Site site;
  const std::uint16_t other = free_port();
  site.listen({{"127.0.0.1", site.port}, {"127.0.0.1", other}});
  CHECK(get(site.port, "/hello").ends_with("hello\n"));
  CHECK(get(other, "/hello").ends_with("hello\n"));

  // A listener that goes does not take its connections along.
  Client kept(site.port);
  kept.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(kept.response().ends_with("hello\n"));
  site.listen({{"127.0.0.1", other}});
  CHECK_FALSE(Client(site.port).connected());
  CHECK(get(other, "/hello").ends_with("hello\n"));
  kept.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(kept.response().ends_with("hello\n"));

  // On an error nothing changes.
  const std::uint16_t third = free_port();
  CHECK_FALSE(site.try_listen({{"127.0.0.1", third}, {"no address", 1}}));
  CHECK_FALSE(site.try_listen({{"127.0.0.1", third}, {"192.0.2.1", third}}));
  CHECK_FALSE(Client(third).connected());
  CHECK(get(other, "/hello").ends_with("hello\n"));

  site.stop();
  CHECK_FALSE(Client(other).connected());
  site.listen({{"127.0.0.1", other}});
  CHECK(get(other, "/hello").ends_with("hello\n"));
}

TEST_CASE("a port that is taken is an error") {
  Site site;
  boost::asio::io_context io;
  HttpServer second(io, [](std::string_view) { return HttpResponse{}; });
  const auto listened = second.listen({{"127.0.0.1", site.port}});
  REQUIRE_FALSE(listened.has_value());
  CHECK(listened.error().message.find("127.0.0.1:" + std::to_string(site.port)) != std::string::npos);
}
