#include "daemon/workers.hpp"

#include <thread>

namespace driftd::daemon {
namespace {

bool is_idle(const TreeThreads& tree) { return tree.scans.is_idle() && tree.looks.is_idle(); }

void close(TreeThreads& tree) {
  tree.scans.close();
  tree.looks.close();
}

}  // namespace

std::shared_ptr<TreeThreads> Workers::open_tree() {
  std::erase_if(trees_, [](const auto& tree) { return tree.use_count() == 1 && is_idle(*tree); });
  return trees_.emplace_back(std::make_shared<TreeThreads>());
}

void Workers::close_tree(const std::shared_ptr<TreeThreads>& tree) {
  close(*tree);
  std::erase_if(waiting_, [&](const WaitingScan& scan) { return scan.tree == tree; });
  end_turn(tree.get());
}

void Workers::begin_turn() {
  auto next = std::find_if(waiting_.begin(), waiting_.end(), [](const auto& scan) { return scan.pace == Pace::free; });
  if (next == waiting_.end()) {
    // Two limited ones would take twice the limit.
    if (turn_ || passed_ || waiting_.empty()) return;
    next = waiting_.begin();
  } else if (turn_) {
    if (pace_ == Pace::free) return;
    passed_ = std::move(turn_);
  }
  const WaitingScan scan = std::move(*next);
  waiting_.erase(next);
  turn_ = scan.tree;
  pace_ = scan.pace;
  scan.begin();
}

void Workers::hurry(const std::shared_ptr<TreeThreads>& tree) {
  if (turn_ == tree) pace_ = Pace::free;
  for (WaitingScan& scan : waiting_) {
    if (scan.tree == tree) scan.pace = Pace::free;
  }
  begin_turn();
}

void Workers::end_turn(const TreeThreads* tree) {
  if (passed_.get() == tree) passed_.reset();
  if (turn_.get() == tree) turn_.reset();
  begin_turn();
}

void Workers::hand_on_turn(Clock::time_point now) {
  for (const auto& scanning : {turn_, passed_}) {
    if (scanning && scanning->scans.standstill(now) >= kPatienceWithScan) end_turn(scanning.get());
  }
}

bool Workers::stop(std::chrono::milliseconds patience) {
  waiting_.clear();
  for (const auto& tree : trees_) close(*tree);
  const auto is_over = [&] {
    return record_.is_done() &&
           std::all_of(trees_.begin(), trees_.end(), [](const auto& tree) { return is_idle(*tree); });
  };
  const auto until = Clock::now() + patience;
  while (!is_over() && Clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return is_over();
}

}  // namespace driftd::daemon
