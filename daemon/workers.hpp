#pragma once

#include <stop_token>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace driftd::daemon {

/// The threads that may wait for disks. Work runs there; what it returns goes to `then` on the io_context's thread,
/// which alone owns the daemon's state. Full scans have a thread of their own, so that a look at one changed path
/// never waits for them.
class Workers {
 public:
  explicit Workers(boost::asio::io_context& context) : context_(context), scans_(1), looks_(1) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  /// Long work: full scans.
  template <class Work, class Then>
  void scan(Work work, Then then) {
    submit(scans_, std::move(work), std::move(then));
  }

  /// Short work: rescans of changed paths, loading manifests.
  template <class Work, class Then>
  void look(Work work, Then then) {
    submit(looks_, std::move(work), std::move(then));
  }

  /// Asked for by all scans.
  [[nodiscard]] std::stop_token stop_token() const { return stop_.get_token(); }

  /// Ends running scans and waits for them. Nothing is handed on any more.
  void stop() {
    stop_.request_stop();
    scans_.stop();
    looks_.stop();
    scans_.join();
    looks_.join();
  }

 private:
  template <class Work, class Then>
  void submit(boost::asio::thread_pool& pool, Work work, Then then) {
    boost::asio::post(pool, [this, work = std::move(work), then = std::move(then)]() mutable {
      auto result = work(stop_.get_token());
      boost::asio::post(context_,
                        [then = std::move(then), result = std::move(result)]() mutable { then(std::move(result)); });
    });
  }

  boost::asio::io_context& context_;
  std::stop_source stop_;
  boost::asio::thread_pool scans_;
  boost::asio::thread_pool looks_;
};

}  // namespace driftd::daemon
