#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/evidence_group.hpp"
#include "scanner/evidence_watcher.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/in_child.hpp"
#include "tests/unit/support/skip.hpp"

using namespace driftd::scanner;
using namespace std::chrono_literals;
using driftd::test::is_root;
using driftd::test::kNobody;
using driftd::test::must;
using driftd::test::ScanSite;

namespace {

constexpr const char* kNeeds = "needs CAP_SYS_ADMIN and a file system that fanotify takes";

/// Runs a line of shell, as that user, who waits a moment before it ends. Its process id.
int shell(const std::string& line, unsigned uid = 0) {
  const std::string id = std::to_string(uid);
  std::vector<std::string> words = {"setpriv", "--reuid", id, "--regid", id, "--clear-groups"};
  words.insert(words.end(), {"sh", "-euc", line + "; sleep 0.02; :"});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  REQUIRE(::posix_spawnp(&child, arguments.front(), nullptr, nullptr, arguments.data(), environ) == 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  return child;
}

/// Somebody who does it and waits a moment. The process id. For system calls only: the watcher's thread may have held
/// the allocator's lock at the fork, and then nobody in the child ever lets it go.
int somebody(const std::function<void()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    act();
    ::usleep(20'000);
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  return child;
}

/// A released tree, watched, and looks at it as the daemon makes them.
class Watched {
 public:
  Watched() {
    site.tree.dirs("d/sub");
    site.tree.file("a", "a");
    site.tree.file("d/b", "b");
    site.tree.file("d/sub/c", "c");
    site.tree.dirs("cache");
    site.tree.file("cache/x", "x");
    site.release();
    for (const char* gone : {"cache", "cache/x"}) site.entries.erase(gone);
    site.entries["cache"] = driftd::test::ignored_dir_entry();
    auto made = make_evidence_watcher([this](const std::string& message) {
      const std::lock_guard lock(mutex_);
      troubles_.push_back(message);
    });
    if (!made) return;
    watcher = std::move(*made);
    tree = watcher->open_tree("app");
    watch();
  }

  /// Until a change in the last directory to be marked is known. The tree is as it was then.
  void watch() {
    tree->watch(site.tree.path(), site.plan().manifest);
    for (int attempt = 0; attempt < 200; ++attempt) {
      shell("printf probe > " + at("d/sub/c"));
      const bool is_seen = look().contains("d/sub/c");
      shell("printf c > " + at("d/sub/c"));
      REQUIRE(look().empty());
      if (is_seen) return;
    }
    FAIL("no change in the last directory was ever seen");
  }

  [[nodiscard]] std::string at(const std::string& path) const { return site.tree.at(path); }

  /// Of what is different.
  std::map<std::string, PathEvidence> look() const {
    const auto began = tree->begin_look();
    ScanResult result = site.scan_whole();
    auto known = tree->end_look(result, began);
    std::erase_if(known, [&](const auto& one) {
      return std::none_of(result.findings.begin(), result.findings.end(),
                          [&](const Finding& finding) { return finding.path == one.first; });
    });
    return known;
  }

  /// Who changed `path`, by a `change` that tells its process. On a busy machine the watcher may come too late and know
  /// nobody, so it is asked again after `undo`; one that never knows fails.
  PathEvidence known(const std::string& path, const std::function<int()>& change, const std::string& undo = ":") const {
    for (int attempt = 0; attempt < 10; ++attempt) {
      const int pid = change();
      const auto seen = look();
      REQUIRE_MESSAGE((seen.size() <= 1 && (seen.empty() || seen.contains(path))), path);
      if (!seen.empty() && seen.at(path).last) {
        CHECK(seen.at(path).last->pid == pid);
        return seen.at(path);
      }
      shell(undo);
      look();
    }
    FAIL("never known: ", path);
    return {};
  }

  std::vector<std::string> troubles() {
    const std::lock_guard lock(mutex_);
    return troubles_;
  }

  ScanSite site;
  std::unique_ptr<EvidenceWatcher> watcher;
  std::shared_ptr<TreeEvidence> tree;

 private:
  std::mutex mutex_;
  std::vector<std::string> troubles_;
};

}  // namespace

TEST_CASE("who changes a listed path, makes one, or removes one, is known") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  const auto at = [&](const std::string& path) { return watched.at(path); };
  struct Case {
    std::string line;
    std::string path;
    std::string back;
  };
  for (const Case& one : std::vector<Case>{
           {"echo x > " + at("d/b"), "d/b", "printf b > " + at("d/b")},
           {"echo x >> " + at("d/sub/c"), "d/sub/c", "printf c > " + at("d/sub/c")},
           {"umask 0; : > " + at("new"), "new", "rm " + at("new")},
           {"cd " + at("d") + "; : > 'n\\n\x1b\xff'", "d/n\\n\x1b\xff", "rm " + at("d") + "/n*"},
       }) {
    CAPTURE(one.line);
    const auto seen = watched.known(
        one.path, [&] { return shell(one.line); }, one.back);
    CHECK(seen.last->name == "sh");
    CHECK_FALSE(seen.several);
    shell(one.back);
    CHECK(watched.look().empty());
  }
  CHECK(watched.troubles().empty());
}

TEST_CASE("two users who change the same path: the last, and that there were more") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  watched.site.tree.mode("a", 0666);
  watched.site.tree.mode("", 0777);
  const auto seen = watched.known("a", [&] {
    shell("echo x > " + watched.at("a"));
    return shell("echo y > " + watched.at("a"), kNobody);
  });
  CHECK(seen.last->uid == kNobody);
  CHECK(seen.several);
}

TEST_CASE("who writes to a file that has lost its name is not who changed the one that has it") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  const auto seen = watched.known("a", [&] {
    const driftd::manifests::UniqueFd old(::open(watched.at("a").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    watched.site.tree.file("cache/new", "another");
    const std::string from = watched.at("cache/new");
    const std::string to = watched.at("a");
    const int pid = somebody([&] { (void)::rename(from.c_str(), to.c_str()); });
    somebody([&] { (void)!::write(old.get(), "x", 1); });
    return pid;
  });
  CHECK_FALSE(seen.several);
}

TEST_CASE("who changes a file that has other names is not known, for others may use those") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  watched.site.tree.hard_link("a", "cache/other");
  shell("echo x > " + watched.at("a"));
  const auto seen = watched.look();
  REQUIRE(seen.contains("a"));
  CHECK_FALSE(seen.at("a").last);
}

TEST_CASE("a change that left nothing behind is forgotten by the next look") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  shell("touch " + watched.at("a"));
  CHECK(watched.look().empty());
  // By this process, which is never told of.
  watched.site.tree.file("a", "by nobody that is told");
  CHECK(watched.look().empty());
}

TEST_CASE("a listed directory that is made anew is watched again, and what was in it is in doubt") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  shell("echo x > " + watched.at("d/b"));
  const driftd::test::TempTree outside;
  const std::string made = outside.at("d");
  shell("cp -r " + watched.at("d") + " " + made + "; rm -r " + watched.at("d") + "; mv " + made + " " +
        watched.at("d"));
  CHECK_FALSE(watched.look().contains("d/b"));
  watched.known("d/sub/c", [&] { return shell("echo y > " + watched.at("d/sub/c")); });
}

TEST_CASE("the directories of a new release are watched") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  watched.site.tree.dirs("a-new");
  watched.site.tree.file("a-new/e", "e");
  shell("echo x > " + watched.at("a-new/e"));
  CHECK_FALSE(watched.look().contains("a-new/e"));
  watched.site.tree.file("a-new/e", "e");
  watched.site.release();
  watched.watch();
  watched.known("a-new/e", [&] { return shell("echo x > " + watched.at("a-new/e")); });
}

TEST_CASE("what the release ignores, and what is outside the tree, costs nothing") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  const driftd::test::TempTree outside;
  const std::string away = outside.at("away");
  shell("mv " + watched.at("d/sub") + " " + away + "; echo x > " + away + "/c; mkdir " + away + "/deep");
  const auto seen = watched.look();
  CHECK(seen.contains("d/sub"));
  CHECK(seen.size() == 1);
}

TEST_CASE("when events come too fast, nothing is known rather than something wrong, and that is said") {
  ScanSite site;
  site.tree.file("a", "a");
  site.tree.dirs("d");
  site.release();
  EvidenceBook book;
  if (!EvidenceGroup::is_granted()) return driftd::test::skip(kNeeds);
  const auto group = must(EvidenceGroup::open(site.tree.path(), site.plan().manifest, book, 10));
  CHECK(group->marks() == 2);
  while (group->is_marking()) group->mark_more();
  REQUIRE_FALSE(group->has_failed());
  ProcessReader reader = must(ProcessReader::open());
  const auto seen = [&] {
    while (!group->drain(reader)) continue;
    ScanResult result = site.scan_whole();
    return book.take(result, EvidenceBook::Clock::now());
  };
  shell("echo x > " + site.tree.at("a"));
  REQUIRE(seen().contains("a"));
  REQUIRE(group->take_trouble().empty());

  shell("echo y > " + site.tree.at("a"));
  // More than the kernel queues, by another process, for what this one does is never told.
  const std::string said = driftd::test::in_child([&] {
    site.tree.file("d/0", "");
    for (int i = 1; i < 20'000; ++i) site.tree.hard_link("d/0", "d/" + std::to_string(i));
    return std::string();
  });
  REQUIRE(said.empty());
  CHECK(seen().empty());
  CHECK(group->take_trouble() == "changes came too fast to learn who made all of them");
  CHECK(group->take_trouble().empty());
  // Directories may have come unseen.
  CHECK(group->is_marking());
  while (group->is_marking()) group->mark_more();
  shell("echo z > " + site.tree.at("a"));
  CHECK(seen().contains("a"));
}

TEST_CASE("of more directories than there are marks for the first are marked, and it is said how many are not") {
  ScanSite site;
  for (const char* directory : {"a", "b", "c"}) site.tree.dirs(directory);
  for (const char* file : {"a/file", "b/file", "c/file"}) site.tree.file(file, "x");
  site.release();
  EvidenceBook book;
  if (!EvidenceGroup::is_granted()) return driftd::test::skip(kNeeds);
  const auto group = must(EvidenceGroup::open(site.tree.path(), site.plan().manifest, book, 2));
  CHECK(group->marks() == 2);
  while (group->is_marking()) group->mark_more();
  const std::string trouble = group->take_trouble();
  CHECK(trouble.starts_with("who makes changes in 2 directories will not be known"));
  CHECK(trouble.find("fs.fanotify.max_user_marks") != std::string::npos);
  ProcessReader reader = must(ProcessReader::open());
  for (const auto& [file, is_known] : {std::pair("a/file", true), std::pair("c/file", false)}) {
    shell("echo y > " + site.tree.at(file) + "; sleep 0.2");
    while (!group->drain(reader)) continue;
    const ScanResult result = site.scan_whole();
    CHECK(book.take(result, EvidenceBook::Clock::now()).contains(file) == is_known);
  }
}

TEST_CASE("trees in any number leave other programs the groups that they need") {
  Watched watched;
  if (!watched.watcher) return driftd::test::skip(kNeeds);
  // One is watched already.
  std::vector<std::shared_ptr<TreeEvidence>> more;
  for (std::size_t i = 0; i < EvidenceGroup::most(); ++i) {
    more.push_back(watched.watcher->open_tree("tree " + std::to_string(i)));
    more.back()->watch(watched.site.tree.path(), watched.site.plan().manifest);
  }
  (void)more.back()->begin_look();
  for (int i = 0; i < 100 && watched.troubles().empty(); ++i) std::this_thread::sleep_for(50ms);
  REQUIRE(watched.troubles().size() == 1);
  CHECK(watched.troubles().front().starts_with("tree " + std::to_string(EvidenceGroup::most() - 1) + ": "));
  CHECK(watched.troubles().front().find("fs.fanotify.max_user_groups") != std::string::npos);
  CHECK(EvidenceGroup::is_granted().has_value());
}

TEST_CASE("destruction ends the watch of a tree, and the thread") {
  auto watched = std::make_unique<Watched>();
  if (!watched->watcher) return driftd::test::skip(kNeeds);
  watched->tree = watched->watcher->open_tree("other");
  shell("echo x > " + watched->at("a"));
  CHECK(watched->look().empty());
  watched->watcher.reset();
  CHECK(watched->look().empty());
}
