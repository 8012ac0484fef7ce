#include "scanner/evidence_watcher.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/unique_fd.hpp"
#include "scanner/brief_urgency.hpp"
#include "scanner/evidence_book.hpp"
#include "scanner/evidence_group.hpp"
#include "scanner/process_evidence.hpp"

namespace driftd::scanner {
namespace {

using manifests::Result;
using manifests::UniqueFd;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::milliseconds(50);
constexpr auto kStopPatience = std::chrono::milliseconds(500);
constexpr auto kTroubleInterval = std::chrono::seconds(60);
/// Longer than the thread is at one tree where all is well.
constexpr auto kHangsAfter = std::chrono::seconds(5);

/// What the thread and the owners of trees share.
struct Tree {
  explicit Tree(std::string of) : name(std::move(of)) {}

  const std::string name;
  EvidenceBook book;
  std::atomic<bool> closed{false};

  struct Wanted {
    std::string root;
    std::shared_ptr<const manifests::VerifiedManifest> manifest;
  };
  // Guarded by Shared::mutex.
  std::optional<Wanted> wanted;
  std::uint64_t asked = 0;                   ///< to be told when nothing waits in the queue any more
  std::uint64_t done = 0;                    ///< this and all asked before has been
  std::optional<std::uint64_t> hangs_since;  ///< nothing has been done since then

  // The thread's.
  std::unique_ptr<EvidenceGroup> group;
  std::optional<Clock::time_point> told_at;
};

/// Outlives the watcher where the thread hangs.
struct Shared {
  Shared(UniqueFd wake_fd, ProcessReader processes, EvidenceWatcher::OnTrouble tell)
      : wake(std::move(wake_fd)), reader(std::move(processes)), on_trouble(std::move(tell)) {}

  const UniqueFd wake;
  ProcessReader reader;  ///< the thread's
  const EvidenceWatcher::OnTrouble on_trouble;

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::shared_ptr<Tree>> trees;
  bool stop = false;
  bool ended = false;
  std::shared_ptr<Tree> at_work;  ///< what the thread is at, or null
  Clock::time_point at_work_since{};
  std::optional<Clock::time_point> hang_told_at;

  void poke() const { (void)!::eventfd_write(wake.get(), 1); }

  void be_at(std::shared_ptr<Tree> tree) {
    const std::lock_guard lock(mutex);
    at_work = std::move(tree);
    at_work_since = Clock::now();
  }

  /// Everything that happened in the tree before this call is in its book. False: the thread is behind.
  bool catch_up(Tree& tree) {
    std::unique_lock lock(mutex);
    if (tree.hangs_since == tree.done) {  // once is enough to find out
      tell_hang();
      return false;
    }
    tree.hangs_since.reset();
    const std::uint64_t mine = ++tree.asked;
    poke();
    const bool is_done = changed.wait_for(lock, kPatience, [&] { return tree.done >= mine || ended; }) && !ended;
    if (!is_done) tree.hangs_since = tree.done;
    return is_done;
  }

 private:
  /// Under the lock.
  void tell_hang() {
    const auto now = Clock::now();
    if (!at_work || now - at_work_since < kHangsAfter) return;
    if (hang_told_at && now - *hang_told_at < kTroubleInterval) return;
    hang_told_at = now;
    on_trouble(at_work->name + ": a file system does not answer; until it does, it is not known who changes any tree");
  }
};

void tell(Shared& shared, Tree& tree, const std::string& trouble) {
  const auto now = Clock::now();
  if (trouble.empty() || (tree.told_at && now - *tree.told_at < kTroubleInterval)) return;
  tree.told_at = now;
  shared.on_trouble(tree.name + ": " + trouble);
}

std::size_t count_groups(Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  return static_cast<std::size_t>(
      std::count_if(shared.trees.begin(), shared.trees.end(), [](const auto& tree) { return tree->group != nullptr; }));
}

/// Of those that one user has, for one more group.
std::size_t marks_left(Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  std::size_t taken = 0;
  for (const auto& tree : shared.trees) taken += tree->group ? tree->group->marks() : 0;
  const std::size_t most = EvidenceGroup::most_marks();
  return most - std::min(most, taken);
}

void adopt(Shared& shared, Tree& tree, Tree::Wanted wanted) {
  if (tree.group && !tree.group->has_failed() && tree.group->is_of(wanted.root, *wanted.manifest)) {
    tree.group->share_out(tree.group->marks() + marks_left(shared));
    return tree.group->mark_all();
  }
  tree.group.reset();
  tree.book.forget();
  if (count_groups(shared) >= EvidenceGroup::most()) {
    return tell(shared, tree,
                "who makes changes will not be known: more trees would leave other programs too few of the "
                "fanotify groups that each user has (fs.fanotify.max_user_groups)");
  }
  auto group = EvidenceGroup::open(std::move(wanted.root), std::move(wanted.manifest), tree.book, marks_left(shared));
  if (group) {
    tree.group = std::move(*group);
  } else {
    tell(shared, tree, "who makes changes will not be known: " + group.error().message);
  }
}

/// Whether nothing waits in the tree's queue.
bool work_on(Shared& shared, Tree& tree, bool is_asked) {
  if (!tree.group) return true;
  const bool is_empty = tree.group->drain(shared.reader);
  if (is_asked) tree.group->forget_if_moved();
  if (tree.group->is_marking()) tree.group->mark_more();
  tell(shared, tree, tree.group->take_trouble());
  if (tree.group->has_failed()) tree.group.reset();
  return is_empty;
}

/// What the owners of a tree want at the beginning of a round.
struct Round {
  std::shared_ptr<Tree> tree;
  std::optional<Tree::Wanted> wanted;
  std::uint64_t asked = 0;
};

void wait(const Shared& shared, const std::vector<Round>& rounds) {
  std::vector<pollfd> waiting{{shared.wake.get(), POLLIN, 0}};
  bool is_marking = false;
  for (const Round& round : rounds) {
    const EvidenceGroup* group = round.tree->group.get();
    if (group == nullptr) continue;
    is_marking = is_marking || group->is_marking();
    waiting.push_back({group->descriptor(), POLLIN, 0});
  }
  ::poll(waiting.data(), waiting.size(), is_marking ? 0 : -1);
  eventfd_t count = 0;
  if (waiting.front().revents != 0) (void)!::eventfd_read(shared.wake.get(), &count);
}

std::optional<std::vector<Round>> begin_round(Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  if (shared.stop) return std::nullopt;
  std::erase_if(shared.trees, [](const auto& tree) { return tree->closed.load(); });
  std::vector<Round> rounds;
  for (const auto& tree : shared.trees) {
    rounds.push_back({tree, std::exchange(tree->wanted, std::nullopt), tree->asked});
  }
  return rounds;
}

void watch_all(const std::shared_ptr<Shared>& shared) {
  // Who makes a change may end right after it.
  BriefUrgency urgency;
  std::vector<Round> rounds;
  for (;;) {
    wait(*shared, rounds);
    urgency.update();
    auto begun = begin_round(*shared);
    if (!begun) break;
    rounds = std::move(*begun);
    for (Round& round : rounds) {
      shared->be_at(round.tree);
      if (round.wanted) adopt(*shared, *round.tree, std::move(*round.wanted));
      if (!work_on(*shared, *round.tree, round.asked != round.tree->done)) continue;
      const std::lock_guard lock(shared->mutex);
      round.tree->done = round.asked;
      shared->changed.notify_all();
    }
    shared->be_at(nullptr);
  }
  rounds.clear();
  const std::lock_guard lock(shared->mutex);
  shared->trees.clear();
  shared->ended = true;
  shared->changed.notify_all();
}

class Source final : public TreeEvidence {
 public:
  Source(std::shared_ptr<Shared> shared, std::shared_ptr<Tree> tree)
      : shared_(std::move(shared)), tree_(std::move(tree)) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() override {
    tree_->closed = true;
    shared_->poke();
  }

  void watch(std::string root, std::shared_ptr<const manifests::VerifiedManifest> manifest) override {
    {
      const std::lock_guard lock(shared_->mutex);
      tree_->wanted = Tree::Wanted{std::move(root), std::move(manifest)};
    }
    shared_->poke();
  }

  Clock::time_point begin_look() override {
    if (!shared_->catch_up(*tree_)) tree_->book.forget();
    return Clock::now();
  }

  std::map<std::string, PathEvidence> end_look(ScanResult& result, Clock::time_point began) override {
    if (!shared_->catch_up(*tree_)) {
      tree_->book.forget();
      return {};
    }
    tree_->book.date(result.findings);
    tree_->book.date(result.pending);
    return tree_->book.take(result, began);
  }

  void doubt() override { tree_->book.forget_directories(); }

 private:
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Tree> tree_;
};

class EvidenceThread final : public EvidenceWatcher {
 public:
  explicit EvidenceThread(std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), thread_([shared = shared_] { watch_all(shared); }) {}
  EvidenceThread(const EvidenceThread&) = delete;
  EvidenceThread& operator=(const EvidenceThread&) = delete;

  ~EvidenceThread() override {
    std::unique_lock lock(shared_->mutex);
    shared_->stop = true;
    shared_->poke();
    const bool ended = shared_->changed.wait_for(lock, kStopPatience, [&] { return shared_->ended; });
    lock.unlock();
    ended ? thread_.join() : thread_.detach();
  }

  std::shared_ptr<TreeEvidence> open_tree(std::string name) override {
    auto tree = std::make_shared<Tree>(std::move(name));
    const std::lock_guard lock(shared_->mutex);
    shared_->trees.push_back(tree);
    return std::make_shared<Source>(shared_, std::move(tree));
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<EvidenceWatcher>> make_evidence_watcher(EvidenceWatcher::OnTrouble on_trouble) {
  auto reader = ProcessReader::open();
  if (!reader) return reader.error();
  if (auto granted = EvidenceGroup::is_granted(); !granted) return granted.error();
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return manifests::system_error("eventfd", errno);
  return std::unique_ptr<EvidenceWatcher>(std::make_unique<EvidenceThread>(
      std::make_shared<Shared>(std::move(wake), std::move(*reader), std::move(on_trouble))));
}

}  // namespace driftd::scanner
