#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "daemon/work_thread.hpp"

namespace driftd::daemon {

/// One tree's own threads, so that a file system that hangs holds up nothing but the trees on it.
struct TreeThreads {
  WorkThread scans;  ///< scans of the whole tree
  WorkThread looks;  ///< short work, which does not wait for them: rescans of changed paths, reading manifests

  /// For how long either has come no further.
  WorkThread::Clock::duration standstill(WorkThread::Clock::time_point now) {
    return std::max(scans.standstill(now), looks.standstill(now));
  }
};

/// The threads that may wait for disks. Work runs there; what it returns goes to `then` on the io_context's thread,
/// which alone owns the daemon's state and calls all of this.
class Workers {
 public:
  using Clock = WorkThread::Clock;
  /// A scan that stands still for this long holds up no other tree's.
  static constexpr std::chrono::seconds kPatienceWithScan{3};

  explicit Workers(boost::asio::io_context& context) : context_(context) {}
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() = default;

  std::shared_ptr<TreeThreads> open_tree();
  /// Nothing of the tree is handed on any more; what hangs is left to itself.
  void close_tree(const std::shared_ptr<TreeThreads>& tree);

  /// Work on the state directory: always on the same thread, and never on the file systems of trees.
  template <class Work, class Then>
  void record(Work work, Then then) {
    submit(record_, std::move(work), std::move(then));
  }

  /// Short work on a tree.
  template <class Work, class Then>
  void look(TreeThreads& tree, Work work, Then then) {
    submit(tree.looks, std::move(work), std::move(then));
  }

  enum class Pace { free, limited };

  /// Long work on a tree, one tree at a time. What takes its time for being limited keeps nobody waiting who is not.
  template <class Work, class Then>
  void scan(const std::shared_ptr<TreeThreads>& tree, Pace pace, Work work, Then then) {
    waiting_.push_back({tree, pace, [this, tree, work = std::move(work), then = std::move(then)] {
                          // Whatever waits in a thread must not keep that thread alive.
                          submit(tree->scans, work, [this, whose = tree.get(), then](auto&& result) {
                            end_turn(whose);
                            then(std::forward<decltype(result)>(result));
                          });
                        }});
    begin_turn();
  }

  /// The same for a tree that need not wait for others, nor they for it.
  template <class Work, class Then>
  void scan_at_once(TreeThreads& tree, Work work, Then then) {
    submit(tree.scans, std::move(work), std::move(then));
  }

  /// The tree's scan, under way or waiting, is limited no more.
  void hurry(const std::shared_ptr<TreeThreads>& tree);

  /// To be called regularly: hands on the turn of a scan that stands still.
  void hand_on_turn(Clock::time_point now);

  /// Stops work on trees, brings what is to be recorded to its end, and waits for both, no longer than `patience`.
  /// False: something hangs, so that this object cannot be destroyed.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct WaitingScan {
    std::shared_ptr<TreeThreads> tree;
    Pace pace;
    std::function<void()> begin;
  };

  template <class Work, class Then>
  void submit(WorkThread& thread, Work work, Then then) {
    thread.post([this, work = std::move(work), then = std::move(then)](const WorkContext& context) mutable {
      auto result = work(context);
      boost::asio::post(context_,
                        [then = std::move(then), result = std::move(result)]() mutable { then(std::move(result)); });
    });
  }

  void begin_turn();
  void end_turn(const TreeThreads* tree);

  boost::asio::io_context& context_;
  std::deque<WaitingScan> waiting_;
  std::shared_ptr<TreeThreads> turn_;                ///< whose scan is under way; null: none that counts
  Pace pace_ = Pace::free;                           ///< of that scan
  std::shared_ptr<TreeThreads> passed_;              ///< whose limited scan a free one has passed; null: none
  std::vector<std::shared_ptr<TreeThreads>> trees_;  ///< closed ones too, until they are idle
  WorkThread record_;
};

}  // namespace driftd::daemon
