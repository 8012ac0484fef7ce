#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "daemon/config.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

/// A GET or HEAD for a path without its query, and what it is answered with.
struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::shared_ptr<const std::string> shared_body{};  ///< instead, where many may be given the same
};
using HttpHandler = std::function<HttpResponse(std::string_view path)>;

/// Serves small pages over HTTP/1.1 on the io_context's thread. Every connection has limits in time (10 s a request),
/// header (8 KiB) and number, so that a slow or hostile client costs nothing to anyone else.
class HttpServer {
 public:
  HttpServer(boost::asio::io_context& context, HttpHandler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  /// Listens on these addresses from now on, and on no others. On an error nothing changes.
  manifests::Result<void> listen(const std::vector<Endpoint>& endpoints);

  /// Closes everything.
  void stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace driftd::daemon
