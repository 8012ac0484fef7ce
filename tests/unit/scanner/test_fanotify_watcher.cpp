#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/dirty_paths.hpp"
#include "scanner/watcher.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::scanner;
using driftd::test::must;
using driftd::test::TempTree;
using namespace std::chrono_literals;

namespace {

/// Gathers what the watcher tells, and waits for a path to be told.
class Heard {
 public:
  explicit Heard(const TreeRoot& root, const std::string& path)
      : dirty_(path, root.identity, must(root.file_system())) {}

  /// Called by the watcher. Only takes, so that its thread goes on draining.
  void take(WatchBatch batch) {
    const std::lock_guard lock(mutex_);
    batches_.push_back(std::move(batch));
    ++count_;
    wake_.notify_all();
  }

  /// A minute is no measure of speed, only an end for a test that fails. An overflow says that anything may have
  /// changed, which is all that can be asked for on a machine that is busy with other things.
  bool until_told_of(const std::string& path) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    std::unique_lock lock(mutex_);
    do {
      understand();
      if (overflow_ || scope_.covers(path)) return true;
    } while (wake_.wait_until(lock, end, [&] { return !batches_.empty(); }));
    return false;
  }
  bool told_of(const std::string& path) {
    const std::lock_guard lock(mutex_);
    understand();
    return scope_.covers(path);
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    understand();
    scope_ = {};
  }

  [[nodiscard]] bool overflow() const { return overflow_; }
  [[nodiscard]] std::uint64_t received() const { return received_; }
  unsigned count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  void understand() {
    for (const WatchBatch& batch : batches_) {
      received_ += batch.received;
      overflow_ = overflow_ || batch.overflow;
      scope_.add_all(dirty_.resolve(batch.events).value());
    }
    batches_.clear();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<WatchBatch> batches_;
  unsigned count_ = 0;
  DirtyPaths dirty_;
  Scope scope_;
  std::uint64_t received_ = 0;
  bool overflow_ = false;
};

/// A watcher for the tree, or null where this machine has none.
std::unique_ptr<Watcher> watcher_for(Heard& heard, const TempTree& tree) {
  auto watcher = make_fanotify_watcher([&heard](WatchBatch batch) { heard.take(std::move(batch)); });
  if (!watcher || !(*watcher)->watch(must(TreeRoot::open(tree.path())))) return nullptr;
  // Where handles cannot be opened again, nothing that is heard can be understood.
  tree.file("probe", "");
  std::unique_ptr<Watcher> made = std::move(*watcher);
  return heard.until_told_of("probe") ? std::move(made) : nullptr;
}

/// As a kernel before Linux 5.17 does, for this thread and those that it starts.
bool refuse_targets() {
  constexpr auto kLowHalfOfFlags = static_cast<unsigned>(offsetof(seccomp_data, args));
  std::array<sock_filter, 6> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fanotify_init, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kLowHalfOfFlags),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FAN_REPORT_TARGET_FID, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

constexpr const char* kNeeds = "needs CAP_SYS_ADMIN and a file system that fanotify takes";

}  // namespace

TEST_CASE("every way to change a path is told under its name") {
  const TempTree tree;
  tree.dirs("d/sub");
  tree.file("d/old", "x");
  tree.file("d/sub/deep", "x");
  Heard heard(must(TreeRoot::open(tree.path())), tree.path());
  const auto watcher = watcher_for(heard, tree);
  if (!watcher) return driftd::test::skip(kNeeds);

  struct Case {
    const char* what;
    std::function<void()> act;
    std::vector<std::string> told;
  };
  for (const Case& one : std::vector<Case>{
           {"create", [&] { tree.file("d/new", "x"); }, {"d/new"}},
           {"modify", [&] { tree.append("d/old", "y"); }, {"d/old"}},
           {"truncate by path", [&] { REQUIRE(::truncate(tree.at("d/old").c_str(), 0) == 0); }, {"d/old"}},
           {"chmod a file", [&] { tree.mode("d/old", 0600); }, {"d/old"}},
           {"chmod a directory", [&] { tree.mode("d/sub", 0700); }, {"d/sub"}},
           {"rename", [&] { tree.rename("d/new", "d/newer"); }, {"d/new", "d/newer"}},
           {"hard link", [&] { tree.hard_link("d/old", "d/second"); }, {"d/second"}},
           {"symlink", [&] { tree.link("d/link", "old"); }, {"d/link"}},
           {"mkdir", [&] { tree.dir("d/dir"); }, {"d/dir"}},
           {"create in what is new", [&] { tree.file("d/dir/x", ""); }, {"d/dir/x"}},
           {"rename a directory", [&] { tree.rename("d/dir", "d/moved"); }, {"d/dir", "d/moved"}},
           {"and a change in it then", [&] { tree.append("d/moved/x", "y"); }, {"d/moved/x"}},
           {"delete", [&] { tree.remove("d/second"); }, {"d/second"}},
           {"rmdir with all below", [&] { tree.remove("d/sub"); }, {"d/sub"}},
           {"a hostile name", [&] { tree.file("d/\n\xff\x1b[2J", ""); }, {"d/\n\xff\x1b[2J"}},
           {"the longest name", [&] { tree.file(std::string(255, 'n'), ""); }, {std::string(255, 'n')}},
           {"the root itself", [&] { tree.mode("", 0711); }, {"."}},
       }) {
    CAPTURE(one.what);
    heard.forget();
    one.act();
    for (const std::string& path : one.told) {
      CAPTURE(path);
      CHECK(heard.until_told_of(path));
    }
  }
  if (heard.overflow()) MESSAGE("the kernel's queue overflowed, so not every name had to be told");
}

TEST_CASE("a file is told by its handle too, whatever name was used") {
  const TempTree tree;
  tree.dirs("inside");
  tree.dirs("outside");
  tree.file("inside/one", "x");
  tree.hard_link("inside/one", "outside/two");
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<FileHandle> targets;
  bool overflow = false;
  auto watcher = make_fanotify_watcher([&](const WatchBatch& batch) {
    const std::lock_guard lock(mutex);
    for (const WatchEvent& event : batch.events) targets.push_back(event.target);
    overflow = overflow || batch.overflow;
    wake.notify_all();
  });
  if (!watcher || !(*watcher)->watch(must(TreeRoot::open(tree.path())))) return driftd::test::skip(kNeeds);
  const FileHandle file = must(handle_of(AT_FDCWD, tree.at("inside/one").c_str()));
  const auto is_told = [&] { return overflow || std::find(targets.begin(), targets.end(), file) != targets.end(); };
  for (const auto& change : std::vector<std::function<void()>>{
           [&] { tree.append("outside/two", "y"); }, [&] { tree.mode("outside/two", 0600); },
           [&] { tree.rename("outside/two", "outside/moved"); }, [&] { tree.remove("outside/moved"); }}) {
    change();
    std::unique_lock lock(mutex);
    CHECK(wake.wait_for(lock, 60s, is_told));
    targets.clear();
  }
}

TEST_CASE("an older kernel that knows no targets tells of names all the same") {
  const TempTree tree;
  Heard heard(must(TreeRoot::open(tree.path())), tree.path());
  std::unique_ptr<Watcher> watcher;
  std::thread([&] {
    if (refuse_targets()) watcher = watcher_for(heard, tree);
  }).join();
  if (!watcher) return driftd::test::skip(kNeeds);
  heard.forget();
  tree.file("new", "x");
  CHECK(heard.until_told_of("new"));
}

TEST_CASE("reading is no change") {
  const TempTree tree;
  tree.file("read", "x");
  tree.file("end", "x");
  Heard heard(must(TreeRoot::open(tree.path())), tree.path());
  const auto watcher = watcher_for(heard, tree);
  if (!watcher) return driftd::test::skip(kNeeds);
  heard.forget();
  const driftd::manifests::UniqueFd fd(::open(tree.at("read").c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  REQUIRE(::read(fd.get(), &byte, 1) == 1);
  tree.append("end", "y");
  REQUIRE(heard.until_told_of("end"));
  CHECK_FALSE(heard.told_of("read"));
}

TEST_CASE("many distinct files are all told") {
  const TempTree tree;
  Heard heard(must(TreeRoot::open(tree.path())), tree.path());
  const auto watcher = watcher_for(heard, tree);
  if (!watcher) return driftd::test::skip(kNeeds);
  heard.forget();
  constexpr int kFiles = 3000;
  for (int i = 0; i < kFiles; ++i) tree.file(std::to_string(i), "x");
  int told = 0;
  for (int i = 0; i < kFiles; ++i) told += heard.until_told_of(std::to_string(i)) ? 1 : 0;
  CHECK(told == kFiles);
  if (heard.overflow()) return driftd::test::skip("the kernel's queue overflowed");
  CHECK(heard.received() >= kFiles);
}

TEST_CASE("a watch is known to be there, or not") {
  const TempTree tree;
  const TempTree elsewhere(TempTree::Where::memory);
  const TreeRoot root = must(TreeRoot::open(tree.path()));
  const TreeRoot other = must(TreeRoot::open(elsewhere.path()));
  auto watcher = make_fanotify_watcher([](WatchBatch) {});
  if (!watcher) return driftd::test::skip(kNeeds);
  CHECK_FALSE((*watcher)->is_watching(root));
  const auto watched = (*watcher)->watch(root);
  if (!watched) return driftd::test::skip(kNeeds);
  CHECK(*watched == must(root.file_system()));
  CHECK((*watcher)->is_watching(root));
  CHECK((*watcher)->is_watching(root));
  if (other.identity.device == root.identity.device) return;
  CHECK_FALSE((*watcher)->is_watching(other));
}

TEST_CASE("destruction ends the thread: nothing is told any more") {
  const TempTree tree;
  Heard heard(must(TreeRoot::open(tree.path())), tree.path());
  auto watcher = watcher_for(heard, tree);
  if (!watcher) return driftd::test::skip(kNeeds);
  const auto threads = [] {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/task")) ++count;
    return count;
  };
  const std::size_t before = threads();
  watcher.reset();
  CHECK(threads() == before - 1);
  const unsigned batches = heard.count();
  tree.file("later", "x");
  CHECK(heard.count() == batches);
}
