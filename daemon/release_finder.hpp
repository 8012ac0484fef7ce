#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/config.hpp"
#include "daemon/workers.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"

namespace driftd::daemon {

/// Finds out in the background whether a tree that differs from its release is an older one as a whole. Lives on the
/// io_context's thread.
class ReleaseFinder : public std::enable_shared_from_this<ReleaseFinder> {
 public:
  /// What is known of the tree when the look begins.
  struct Question {
    std::shared_ptr<const Config> config;
    TreeConfig tree;
    std::shared_ptr<const scanner::ScanPlan> plan;
    scanner::Scope differing;   ///< all paths that differ from the plan's manifest
    std::uint64_t version = 0;  ///< of what is known; an answer to an older one is worth nothing
  };
  /// Null where there is nothing to ask.
  using Ask = std::function<std::unique_ptr<Question>()>;
  /// Of what is known now; nothing where there is nothing to ask any more.
  using Version = std::function<std::optional<std::uint64_t>()>;
  using Found = std::function<void(const std::string& release)>;

  ReleaseFinder(boost::asio::io_context& io, Workers& workers, std::shared_ptr<TreeThreads> threads, Ask ask,
                Version version, Found found)
      : workers_(workers),
        threads_(std::move(threads)),
        ask_(std::move(ask)),
        version_(std::move(version)),
        found_(std::move(found)),
        timer_(io) {}

  /// Something has changed. The look comes when nothing does for a while, and the later the more it costs.
  void look_later();
  void stop();

 private:
  void look();

  Workers& workers_;
  std::shared_ptr<TreeThreads> threads_;
  Ask ask_;
  Version version_;
  Found found_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  bool looking_ = false;
  std::chrono::steady_clock::duration cost_{};  ///< of the last look
};

}  // namespace driftd::daemon
