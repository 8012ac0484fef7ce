#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "daemon/standstill.hpp"
#include "scanner/scan_progress.hpp"

namespace driftd::daemon {

/// What a piece of work is given: whether it is to stop, and where it counts how far it has come.
struct WorkContext {
  std::stop_token stop;
  std::shared_ptr<scanner::ScanProgress> progress;
};

/// One thread that may wait for a file system. Does one piece of work after the other, and can be seen from outside to
/// stand still, where no file system answers. Thread-safe, but for standstill().
class WorkThread {
 public:
  using Clock = std::chrono::steady_clock;

  WorkThread() : pool_(1) {}
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  /// Waits for work that is under way, so not to be called where it hangs.
  ~WorkThread() { close(); }

  /// `work(const WorkContext&)`, unless close() comes first.
  template <class Work>
  void post(Work work) {
    ++waiting_;
    boost::asio::post(pool_, [this, work = std::move(work)]() mutable {
      const auto context = begin();
      if (!context) return;
      work(*context);
      end();
    });
  }

  /// Tells work that is under way to stop, and forgets what waits.
  void close();
  /// Nothing is under way.
  [[nodiscard]] bool is_idle() const;
  /// And nothing waits.
  [[nodiscard]] bool is_done() const { return waiting_ == 0; }

  /// For how long the work under way has come no further; zero where there is none. Is to be asked regularly, always
  /// by the same thread: a standstill is counted from the first time that it was seen.
  Clock::duration standstill(Clock::time_point now);

 private:
  std::unique_ptr<WorkContext> begin();
  void end();

  std::atomic<std::size_t> waiting_{0};  ///< with what is under way
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::uint64_t begun_ = 0;                                 ///< pieces of work so far
  std::shared_ptr<const scanner::ScanProgress> under_way_;  ///< null: none
  std::stop_source stop_;

  // Of who watches.
  std::uint64_t seen_work_ = 0;
  Standstill standstill_;

  boost::asio::thread_pool pool_;  ///< last: its thread uses all of the above
};

}  // namespace driftd::daemon
