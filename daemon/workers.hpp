#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
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
  /// For the scans that take as long as the limits want, and that others must not wait for; there while it is needed.
  std::optional<WorkThread> long_scans;
  /// For content that looks leave unread, as it takes long; likewise.
  std::optional<WorkThread> contents;

  /// For how long any has come no further.
  WorkThread::Clock::duration standstill(WorkThread::Clock::time_point now) {
    auto longest = std::max(scans.standstill(now), looks.standstill(now));
    for (auto* thread : {&long_scans, &contents}) {
      if (*thread) longest = std::max(longest, (*thread)->standstill(now));
    }
    return longest;
  }
};

/// Scans of one kind take turns, tree by tree, and wait for none of another kind.
enum class ScanKind : std::uint8_t {
  urgent,         ///< as fast as it goes
  limited_quick,  ///< a quick one by the limits
  limited_full,   ///< a full one by the limits, which may take for hours
};
inline constexpr std::size_t kScanKinds = 3;

/// The threads that may wait for disks. Work runs there; what it returns goes to `then` on the io_context's thread,
/// which alone owns the daemon's state and calls all of this.
class Workers {
 public:
  using Clock = WorkThread::Clock;
  /// A scan that stands still for this long holds up no other tree's.
  static constexpr std::chrono::seconds kPatienceWithScan{3};
  /// One that takes longer for being limited lets the next begin, and has a share of the limits from then on.
  static constexpr std::chrono::seconds kLongestTurn{60};
  /// Of one kind, limited and at once.
  static constexpr std::size_t kMostLimited = 4;

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

  /// What would take too long for that.
  template <class Work, class Then>
  void read(TreeThreads& tree, Work work, Then then) {
    submit(thread_or(tree.contents, tree.looks), std::move(work), std::move(then));
  }

  /// Long work on a tree: of each kind one tree at a time.
  template <class Work, class Then>
  void scan(const std::shared_ptr<TreeThreads>& tree, ScanKind kind, Work work, Then then) {
    lane(kind).waiting.push_back({tree, [this, tree, kind, work = std::move(work), then = std::move(then)] {
                                    // Whatever waits in a thread must not keep that thread alive.
                                    submit(thread_for(*tree, kind), work,
                                           [this, kind, whose = tree.get(), then](auto&& result) {
                                             end_turn(kind, whose);
                                             then(std::forward<decltype(result)>(result));
                                           });
                                  }});
    begin_turn(kind);
  }

  /// The same for a tree that need not wait for others, nor they for it.
  template <class Work, class Then>
  void scan_at_once(TreeThreads& tree, ScanKind kind, Work work, Then then) {
    submit(thread_for(tree, kind), std::move(work), std::move(then));
  }

  /// To be called regularly: hands on the turn of a scan that stands still, and lets go of threads that have no work.
  void hand_on_turn(Clock::time_point now);

  /// Stops work on trees, brings what is to be recorded to its end, and waits for both, no longer than `patience`.
  /// False: something hangs, so that this object cannot be destroyed.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct WaitingScan {
    std::shared_ptr<TreeThreads> tree;
    std::function<void()> begin;
  };
  struct Lane {
    std::deque<WaitingScan> waiting;
    std::shared_ptr<TreeThreads> turn;  ///< whose scan is under way; null: none that counts
    Clock::time_point since{};
    std::vector<const TreeThreads*> passed;  ///< whose limited scans have had their turn, and go on
  };

  template <class Work, class Then>
  void submit(WorkThread& thread, Work work, Then then) {
    thread.post([this, work = std::move(work), then = std::move(then)](const WorkContext& context) mutable {
      auto result = work(context);
      boost::asio::post(context_,
                        [then = std::move(then), result = std::move(result)]() mutable { then(std::move(result)); });
    });
  }

  Lane& lane(ScanKind kind) { return lanes_.at(static_cast<std::size_t>(kind)); }
  /// `other` where no thread is left; then others wait for it.
  static WorkThread& thread_or(std::optional<WorkThread>& wanted, WorkThread& other);
  static WorkThread& thread_for(TreeThreads& tree, ScanKind kind);
  void begin_turn(ScanKind kind);
  void end_turn(ScanKind kind, const TreeThreads* tree);

  boost::asio::io_context& context_;
  std::array<Lane, kScanKinds> lanes_;
  std::vector<std::shared_ptr<TreeThreads>> trees_;  ///< closed ones too, until they are idle
  WorkThread record_;
};

}  // namespace driftd::daemon
