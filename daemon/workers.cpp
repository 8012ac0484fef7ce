#include "daemon/workers.hpp"

#include <exception>
#include <thread>

namespace driftd::daemon {
namespace {

constexpr std::array kAllScanKinds{ScanKind::urgent, ScanKind::limited_quick, ScanKind::limited_full};

bool is_idle(const TreeThreads& tree) {
  const auto is_idle_or_none = [](const std::optional<WorkThread>& thread) { return !thread || thread->is_idle(); };
  return tree.scans.is_idle() && tree.looks.is_idle() && is_idle_or_none(tree.long_scans) &&
         is_idle_or_none(tree.contents);
}

void close(TreeThreads& tree) {
  tree.scans.close();
  tree.looks.close();
  for (auto* thread : {&tree.long_scans, &tree.contents}) {
    if (*thread) (*thread)->close();
  }
}

}  // namespace

std::shared_ptr<TreeThreads> Workers::open_tree() {
  std::erase_if(trees_, [](const auto& tree) { return tree.use_count() == 1 && is_idle(*tree); });
  return trees_.emplace_back(std::make_shared<TreeThreads>());
}

void Workers::close_tree(const std::shared_ptr<TreeThreads>& tree) {
  close(*tree);
  for (const ScanKind kind : kAllScanKinds) {
    std::erase_if(lane(kind).waiting, [&](const WaitingScan& scan) { return scan.tree == tree; });
    end_turn(kind, tree.get());
  }
}

WorkThread& Workers::thread_or(std::optional<WorkThread>& wanted, WorkThread& other) {
  try {
    return wanted ? *wanted : wanted.emplace();
  } catch (const std::exception&) {
    return other;
  }
}

WorkThread& Workers::thread_for(TreeThreads& tree, ScanKind kind) {
  return kind == ScanKind::limited_full ? thread_or(tree.long_scans, tree.scans) : tree.scans;
}

void Workers::begin_turn(ScanKind kind) {
  Lane& lane = this->lane(kind);
  if (lane.turn || lane.waiting.empty()) return;
  const WaitingScan scan = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  lane.turn = scan.tree;
  lane.since = Clock::now();
  scan.begin();
}

void Workers::end_turn(ScanKind kind, const TreeThreads* tree) {
  Lane& lane = this->lane(kind);
  if (std::erase(lane.passed, tree) == 0 && lane.turn.get() == tree) lane.turn.reset();
  begin_turn(kind);
}

void Workers::hand_on_turn(Clock::time_point now) {
  for (const ScanKind kind : kAllScanKinds) {
    Lane& lane = this->lane(kind);
    const auto scanning = lane.turn;
    if (!scanning) continue;
    const bool is_long = kind != ScanKind::urgent && now - lane.since >= kLongestTurn;
    if (is_long && !lane.waiting.empty() && lane.passed.size() + 1 < kMostLimited) {
      lane.passed.push_back(lane.turn.get());
      lane.turn.reset();
      begin_turn(kind);
      continue;
    }
    const bool is_apart = kind == ScanKind::limited_full && scanning->long_scans;
    WorkThread& thread = is_apart ? *scanning->long_scans : scanning->scans;
    if (thread.standstill(now) >= kPatienceWithScan) end_turn(kind, scanning.get());
  }
  for (const auto& tree : trees_) {
    for (auto* thread : {&tree->long_scans, &tree->contents}) {
      if (*thread && (*thread)->is_done()) thread->reset();
    }
  }
}

bool Workers::stop(std::chrono::milliseconds patience) {
  for (Lane& lane : lanes_) lane.waiting.clear();
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
