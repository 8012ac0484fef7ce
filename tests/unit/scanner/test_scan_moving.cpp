#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/reading_gate.hpp"
#include "tests/unit/support/skip.hpp"

// What changes while a scan is at it, each time at the same point of the scan.

using namespace driftd::scanner;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::ReadingGate;
using driftd::test::ScanSite;
using driftd::test::TempTree;

namespace {

constexpr const char* kNoGate = "needs root, and a kernel with fanotify's permission events";

struct stat status_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

/// Kernels before 6.13 tell changes apart by the clock tick in which they happen, and a file that was made a moment ago
/// has the present one.
void await_next_tick(const std::string& path) {
  const timespec last = status_of(path).st_ctim;
  for (timespec now{}; now.tv_sec < last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec <= last.tv_nsec);) {
    std::this_thread::yield();
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  }
}

/// Other bytes of the same number, and the time of the last write as it was before.
void forge(const std::string& path, char byte) {
  const struct stat before = status_of(path);
  const driftd::manifests::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const std::string other(static_cast<std::size_t>(before.st_size), byte);
  (void)!::pwrite(fd.get(), other.data(), other.size(), 0);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  (void)!::futimens(fd.get(), times);
}

void move_away(const TempTree& tree, const TempTree& aside, const char* name) {
  (void)!::rename(tree.at(name).c_str(), aside.at(name).c_str());
}

/// One thing that happens to the file `f`; `aside` is a directory outside the tree, on the same file system.
struct Happening {
  std::string what;
  void (*happens)(const TempTree& tree, const TempTree& aside);
  Lines found;
};

const Happening kHappenings[] = {
    {"it vanishes", [](const TempTree& tree, const TempTree&) { tree.remove("f"); }, {"missing f"}},
    {"it is renamed away",
     [](const TempTree& tree, const TempTree& aside) { move_away(tree, aside, "f"); },
     {"missing f"}},
    {"it grows", [](const TempTree& tree, const TempTree&) { tree.append("f", "x"); }, {"modified f"}},
    {"it shrinks",
     [](const TempTree& tree, const TempTree&) { (void)!::truncate(tree.at("f").c_str(), 1); },
     {"modified f"}},
    {"it is emptied",
     [](const TempTree& tree, const TempTree&) { (void)!::truncate(tree.at("f").c_str(), 0); },
     {"modified f"}},
    {"its bytes change, its size and time do not",
     [](const TempTree& tree, const TempTree&) { forge(tree.at("f"), 'y'); },
     {"modified f"}},
    {"its first byte alone changes, when it was read already",
     [](const TempTree& tree, const TempTree&) {
       const driftd::manifests::UniqueFd fd(::open(tree.at("f").c_str(), O_WRONLY | O_CLOEXEC));
       (void)!::pwrite(fd.get(), "y", 1, 0);
     },
     {"modified f"}},
    {"it is written again as it was", [](const TempTree& tree, const TempTree&) { forge(tree.at("f"), 'x'); }, {}},
    {"another takes its place",
     [](const TempTree& tree, const TempTree& aside) {
       aside.file("other", std::string(driftd::test::read_whole(tree.at("g")).size(), 'y'));
       (void)!::rename(aside.at("other").c_str(), tree.at("f").c_str());
     },
     {"modified f"}},
    {"its like takes its place",
     [](const TempTree& tree, const TempTree& aside) {
       aside.file("like", driftd::test::read_whole(tree.at("g")));
       (void)!::rename(aside.at("like").c_str(), tree.at("f").c_str());
     },
     {}},
    {"a link takes its place",
     [](const TempTree& tree, const TempTree& aside) {
       aside.file("like", driftd::test::read_whole(tree.at("g")));
       aside.link("link", aside.at("like"));
       (void)!::rename(aside.at("link").c_str(), tree.at("f").c_str());
     },
     {"type f"}},
    {"a FIFO takes its place",
     [](const TempTree& tree, const TempTree& aside) {
       aside.fifo("fifo");
       (void)!::rename(aside.at("fifo").c_str(), tree.at("f").c_str());
     },
     {"type f"}},
    {"a directory takes its place",
     [](const TempTree& tree, const TempTree&) {
       tree.remove("f");
       tree.dirs("f/a/b");
     },
     {"type f +2"}},
    {"it becomes executable", [](const TempTree& tree, const TempTree&) { tree.mode("f", 0755); }, {"metadata f"}},
    {"it becomes setuid", [](const TempTree& tree, const TempTree&) { tree.mode("f", 04644); }, {"metadata f"}},
    {"it gets a second name",
     [](const TempTree& tree, const TempTree& aside) {
       (void)!::link(tree.at("f").c_str(), aside.at("second").c_str());
     },
     {}},
};

}  // namespace

TEST_CASE("whatever happens to a file while it is read, the scan says what stands there in the end") {
  if (!ReadingGate::is_possible()) return driftd::test::skip(kNoGate);
  for (const std::string& content : {std::string("xx"), std::string(600'000, 'x')}) {
    for (const Happening& one : kHappenings) {
      unsigned reads = 1;  // of the undisturbed file, learnt in the first round
      for (unsigned nth = 0; nth <= reads; ++nth) {
        CAPTURE(one.what);
        CAPTURE(content.size());
        CAPTURE(nth);
        ScanSite site;
        const TempTree aside;
        site.tree.file("f", content);
        site.tree.file("g", content);
        site.release();
        const ReadingGate gate(site.tree.at("f"), [&](unsigned read) {
          if (read != nth) return;
          await_next_tick(site.tree.at("f"));
          one.happens(site.tree, aside);
        });
        const ScanResult result = site.scan_whole(nth % 2 + 1);
        if (nth == 0) {
          reads = gate.reads();
          CHECK(reads >= 1);
          CHECK(lines_of(result) == Lines{});
        } else {
          CHECK(lines_of(result) == one.found);
        }
        CHECK(result.entries == 3);
      }
    }
  }
}

TEST_CASE("a file that moves is read up to four times, and is unstable after that") {
  if (!ReadingGate::is_possible()) return driftd::test::skip(kNoGate);
  for (const unsigned moves : {0U, 1U, 2U, 3U, 4U, 100U}) {
    CAPTURE(moves);
    ScanSite site;
    site.tree.file("f", "a");
    site.tree.file("g", "a");
    site.release();
    const ReadingGate gate(site.tree.at("f"), [&](unsigned nth) {
      if (nth > moves) return;
      await_next_tick(site.tree.at("f"));
      forge(site.tree.at("f"), static_cast<char>('a' + nth));
    });
    const ScanResult result = site.scan_whole();
    CHECK(gate.reads() == std::min(moves + 1, 4U));
    if (moves >= 4) {
      CHECK(lines_of(result) == Lines{"unverified f unstable"});
    } else {
      CHECK(lines_of(result) == (moves == 0 ? Lines{} : Lines{"modified f"}));
    }
    CHECK(result.entries == 3);
  }
}

TEST_CASE("names that come and go while a directory is listed") {
  if (!ReadingGate::is_possible()) return driftd::test::skip(kNoGate);
  struct Case {
    std::string what;
    void (*happens)(const TempTree& tree, const TempTree& aside);
    Lines found;
  };
  for (const Case& one : {
           Case{"nothing", [](const TempTree&, const TempTree&) {}, {"missing absent"}},
           Case{"a listed file vanishes",
                [](const TempTree&tree, const TempTree&) { tree.remove("f"); },
                {"missing absent", "missing f"}},
           Case{"a listed file appears", [](const TempTree&tree, const TempTree&) { tree.file("absent", "x"); }, {}},
           Case{"a listed file becomes a FIFO",
                [](const TempTree&tree, const TempTree&) {
                  tree.remove("f");
                  tree.fifo("f");
                },
                {"missing absent", "type f"}},
           Case{"a listed file becomes a directory",
                [](const TempTree&tree, const TempTree&) {
                  tree.remove("f");
                  tree.dirs("f/sub");
                },
                {"missing absent", "type f +1"}},
           Case{"a listed directory vanishes",
                [](const TempTree&tree, const TempTree&aside) { move_away(tree, aside, "d"); },
                {"missing absent", "missing d +2"}},
           Case{"a listed directory becomes a file",
                [](const TempTree&tree, const TempTree&aside) {
                  move_away(tree, aside, "d");
                  tree.file("d", "x");
                },
                {"missing absent", "type d +2"}},
           Case{"a listed directory becomes a link to what it was",
                [](const TempTree&tree, const TempTree&aside) {
                  move_away(tree, aside, "d");
                  tree.link("d", aside.at("d"));
                },
                {"missing absent", "type d +2"}},
           Case{"a directory where anything may be becomes a setuid program",
                [](const TempTree&tree, const TempTree&aside) {
                  move_away(tree, aside, "tmp");
                  tree.file("tmp", "x", 04755);
                },
                {"missing absent", "added tmp"}},
           Case{"a directory where anything may be vanishes",
                [](const TempTree&tree, const TempTree&aside) { move_away(tree, aside, "tmp"); },
                {"missing absent"}},
           Case{"the way to the manifest becomes a link",
                [](const TempTree&tree, const TempTree&aside) {
                  move_away(tree, aside, "way");
                  tree.link("way", aside.at("way"));
                },
                {"missing absent", "added way"}},
           Case{"another directory takes a listed one's place",
                [](const TempTree&tree, const TempTree&aside) {
                  move_away(tree, aside, "d");
                  tree.dir("d");
                  tree.file("d/a", "y");
                },
                {"missing absent", "modified d/a", "missing d/b"}},
       }) {
    CAPTURE(one.what);
    ScanSite site;
    const TempTree aside;
    site.header = driftd::test::with_globs(site.header, {"**/tmp/**"});
    site.exemptions.add_manifest(*driftd::manifests::RelPath::parse("way/to/m"));
    site.tree.dir("d");
    site.tree.file("d/a", "x");
    site.tree.file("d/b", "x");
    site.tree.file("f", "x");
    site.tree.file("absent", "x");
    site.release();
    site.tree.remove("absent");
    site.tree.dirs("tmp/sub");
    site.tree.dirs("way/to");
    ScanSite::settle();
    // The first getdents64 tells all names, the second that there are no more.
    const ReadingGate gate(site.tree.path(), [&](unsigned nth) {
      if (nth == 2) one.happens(site.tree, aside);
    });
    const ScanResult result = site.scan_whole();
    // A directory whose names came or went meanwhile is listed again.
    CHECK((one.what == "nothing" ? gate.reads() == 2 : gate.reads() >= 4));
    CHECK(lines_of(result) == one.found);
    CHECK(result.entries == 6);
  }
}

TEST_CASE("what is added while a directory is listed is found") {
  if (!ReadingGate::is_possible()) return driftd::test::skip(kNoGate);
  ScanSite site;
  site.tree.file("f", "x");
  site.release();
  const ReadingGate gate(site.tree.path(), [&](unsigned nth) {
    if (nth == 2) site.tree.file("new", "x");
  });
  CHECK(lines_of(site.scan_whole()) == Lines{"added new"});
}

TEST_CASE("a directory whose names never hold still is unstable, unless any name may be there") {
  if (!ReadingGate::is_possible()) return driftd::test::skip(kNoGate);
  struct Case {
    std::string what;
    std::string directory;
    void (*changes)(ScanSite& site);
    Lines found;
  };
  const auto nothing = [](ScanSite&) {};
  for (const Case& one : {
           Case{"listed", "d", nothing, {"unverified d unstable"}},
           Case{"the root", "", nothing, {"unverified . unstable"}},
           Case{"ignored", "d", [](ScanSite& site) { site.entries["d"] = driftd::test::ignored_dir_entry(); }, {}},
           Case{"mutable, with whatever it holds",
                "d",
                [](ScanSite& site) { site.header = driftd::test::with_globs(site.header, {"**/d/*"}); },
                {}},
           Case{"additions are not reported", "d", [](ScanSite& site) { site.report_additions = false; }, {}},
       }) {
    CAPTURE(one.what);
    ScanSite site;
    site.tree.dir("d");
    site.release();
    one.changes(site);
    const std::string name = one.directory.empty() ? "passing" : one.directory + "/passing";
    const ReadingGate gate(site.tree.at(one.directory), [&](unsigned nth) {
      // There at each second listing's end, and never when one begins.
      nth % 2 == 0 ? site.tree.file(name, "x") : void(::unlink(site.tree.at(name).c_str()));
    });
    const Lines said = lines_of(site.scan_whole());
    CHECK(gate.reads() <= 12);
    CHECK(said == one.found);
  }
}
