#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/syscall_gate.hpp"

// Every system call of a scan fails once, and every one of them finds the tree changed once.

using namespace driftd::scanner;
using driftd::test::dir_entry;
using driftd::test::Entries;
using driftd::test::file_entry;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::ScanSite;
using driftd::test::SyscallGate;
using driftd::test::TempTree;

namespace {

/// A tree with all kinds of entries and rules, clean. Most of what is in it may be absent or is not checked, so that a
/// look which failed is easily taken for one that found nothing to complain about.
void build(ScanSite& site) {
  site.tree.dirs("d/sub");
  site.tree.file("d/f", "x");
  site.tree.file("d/sub/g", "x", 0755);
  site.tree.link("d/link", "f");
  site.tree.dir("opt");
  site.tree.file("opt/f", "x");
  site.tree.file("free", "x");
  site.release();
  site.entries["opt"].optional = true;
  site.entries["opt/f"].optional = true;
  site.entries["free"] = driftd::test::optional_entry();
  site.entries["cache"] = driftd::test::ignored_dir_entry();
  site.header = driftd::test::with_globs(site.header, {"**/tmp/**"});
  site.tree.dirs("cache/deep/er");
  site.tree.file("cache/deep/er/f", "x");
  site.tree.dirs("tmp/deep");
  site.tree.file("tmp/deep/f", "x");
  site.tree.dirs("way/to");
  site.tree.file("way/to/m", "x");
  site.exemptions.add_manifest(*driftd::manifests::RelPath::parse("way/to/m"));
}

/// Files at two depths, each with one beside it.
void build_moving(const TempTree& tree) {
  tree.dirs("d/sub/deep");
  for (const char* path : {"d/f", "d/new", "d/sub/deep/f", "d/sub/deep/new"}) tree.file(path, "x");
}

/// The old one is aside then.
void exchange_for_copy(const TempTree& tree, const TempTree& aside) {
  if (::access(aside.at("d").c_str(), F_OK) == 0) aside.remove("d");
  build_moving(aside);
  (void)::renameat2(AT_FDCWD, tree.at("d").c_str(), AT_FDCWD, aside.at("d").c_str(), RENAME_EXCHANGE);
}

using Result = driftd::manifests::Result<ScanResult>;

struct Run {
  SyscallGate::Calls calls;
  std::optional<Result> result;
};

Run run(const ScanPlan& plan, const Scope& scope, unsigned threads, const SyscallGate::Decide& decide) {
  Run run;
  run.calls = SyscallGate::run(
      [&] { run.result.emplace(scan(plan, scope, {.threads = threads, .throttle = nullptr}, {})); }, decide);
  return run;
}

SyscallGate::Decide failing(unsigned at, int error) {
  return [=](unsigned nth) { return nth == at ? error : 0; };
}

/// Whether that call opens what is then read, and no directory.
bool opens_file(const SyscallGate::Calls& calls, unsigned at) {
  if (calls[at - 1] != SYS_openat2) return false;
  const auto begin = calls.begin() + at;
  const auto end = std::find(begin, calls.end(), SYS_openat2);
  return std::find(begin, end, SYS_getdents64) == end &&
         std::any_of(begin, end, [](int call) { return call == SYS_preadv2 || call == SYS_pread64; });
}

Scope paths_of_tree() {
  Scope scope;
  for (const char* path : {"d/f", "d/sub", "opt/f", "free", "cache/deep", "tmp/deep/f", "way/to/m", "none"}) {
    scope.add(*driftd::manifests::RelPath::parse(path));
  }
  return scope;
}

void add_to(Scope& scope, const std::string& path) {
  path == "." ? scope.add_whole() : scope.add(*driftd::manifests::RelPath::parse(path));
}

UnverifiedReason reason_of(int error) {
  switch (error) {
    case EACCES: return UnverifiedReason::permission;
    case EIO: return UnverifiedReason::io;
    default: return UnverifiedReason::limit;
  }
}

/// Where something is missing from, and since when, may not be known then: it is nobody's.
std::vector<Finding> undated(std::vector<Finding> findings) {
  for (Finding& finding : findings) {
    if (finding.kind == DriftKind::missing) finding.file = {};
    finding.gone_by.reset();
  }
  return findings;
}

}  // namespace

TEST_CASE("no system call can fail without the scan saying so, and nothing is called drift for it") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  ScanSite::settle();
  for (const Scope& scope : {Scope::whole(), paths_of_tree()}) {
    CAPTURE(scope.is_whole());
    const Run quiet = run(plan, scope, 1, failing(0, 0));
    REQUIRE(quiet.calls.size() > 40);
    REQUIRE(lines_of(**quiet.result) == Lines{});
    for (const int error : {EIO, EMFILE, ENOMEM, EACCES}) {
      for (unsigned at = 1; at <= quiet.calls.size(); ++at) {
        CAPTURE(error);
        CAPTURE(at);
        CAPTURE(quiet.calls[at - 1]);
        const Run faulty = run(plan, scope, 1, failing(at, error));
        if (!*faulty.result) continue;  // the root itself: a failed scan says nothing
        const ScanResult& result = **faulty.result;
        CHECK(result.findings.empty());
        // On the way to a path that was asked for, a wider look makes up for it.
        CHECK(result.unverified.size() <= 1);
        if (scope.is_whole()) CHECK(result.unverified.size() == 1);
        for (const Unverified& one : result.unverified) {
          CHECK(one.reason == reason_of(error));
          CHECK(one.error == error);
        }
      }
    }
  }
}

TEST_CASE("no drift is lost by a failure: it is found, or its path is unverified") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  site.tree.file("d/f", "y");
  site.tree.mode("d/sub/g", 0644);
  site.tree.file("opt/f", "y");
  for (const char* path : {"free", "cache/deep/er/f", "tmp/deep/f"}) site.tree.mode(path, 04755);
  for (const char* path : {"new", "d/sub/new", "way/to/new"}) site.tree.file(path, "x");
  ScanSite::settle();
  for (const Scope& scope : {Scope::whole(), paths_of_tree()}) {
    CAPTURE(scope.is_whole());
    const Run quiet = run(plan, scope, 1, failing(0, 0));
    const auto drift = (*quiet.result)->findings;
    REQUIRE(drift.size() >= 7);
    for (unsigned at = 1; at <= quiet.calls.size(); ++at) {
      CAPTURE(at);
      CAPTURE(quiet.calls[at - 1]);
      for (const bool ever_after : {false, true}) {
        CAPTURE(ever_after);
        const unsigned threads = ever_after ? 2 : 1;
        const Run faulty =
            run(plan, scope, threads, [&](unsigned nth) { return nth == at || (ever_after && nth > at) ? EMFILE : 0; });
        if (!*faulty.result) continue;
        Scope known;
        for (const Finding& one : (*faulty.result)->findings) add_to(known, one.path);
        for (const Unverified& one : (*faulty.result)->unverified) add_to(known, one.path);
        for (const Finding& one : drift) CHECK_MESSAGE(known.covers(one.path), one.path);
      }
    }
  }
}

TEST_CASE("a directory that answers as if it were gone, and is not, hides nothing") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  for (const char* path : {"new", "d/sub/new"}) site.tree.file(path, "x");
  site.tree.mode("cache/deep/er/f", 04755);
  ScanSite::settle();
  const Run quiet = run(plan, Scope::whole(), 1, failing(0, 0));
  const Lines drift = lines_of(**quiet.result);
  REQUIRE(drift.size() == 3);
  unsigned listings = 0;
  for (unsigned at = 1; at <= quiet.calls.size(); ++at) {
    if (quiet.calls[at - 1] != SYS_getdents64) continue;
    ++listings;
    CAPTURE(at);
    const Run once = run(plan, Scope::whole(), 1, failing(at, ENOENT));
    CHECK(lines_of(**once.result) == drift);
  }
  CHECK(listings > 8);
}

TEST_CASE("a failure that follows upon a path which seems to be gone is none the less told") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  ScanSite::settle();
  const std::size_t calls = run(plan, Scope::whole(), 1, failing(0, 0)).calls.size();
  for (unsigned at = 1; at < calls; ++at) {
    for (const int first : {ENOENT, ENOTDIR, ELOOP}) {
      CAPTURE(at);
      CAPTURE(first);
      const Run twice =
          run(plan, Scope::whole(), 1, [&](unsigned nth) { return nth == at ? first : (nth == at + 1 ? EMFILE : 0); });
      if (*twice.result && twice.calls.size() > at) {
        CAPTURE(twice.calls[at - 1]);
        CAPTURE(twice.calls[at]);
        CHECK(lines_of(**twice.result) != Lines{});
      }
    }
  }
}

TEST_CASE("while a deploy is under way a failure makes nothing pending or clean") {
  ScanSite site;
  site.tree.file("same", "x");
  site.tree.dir("d");
  site.tree.file("d/old", "x");
  site.release();
  ScanPlan plan = site.plan();
  plan.previous = plan.manifest;
  Entries next = site.entries;
  next.erase("d/old");
  next["d/new"] = file_entry("y");
  plan.manifest = driftd::test::make_release(next, driftd::test::header_of("v104", 104));
  const Run quiet = run(plan, Scope::whole(), 1, failing(0, 0));
  REQUIRE(lines_of(**quiet.result) == Lines{});
  REQUIRE((*quiet.result)->pending.size() == 2);
  for (unsigned at = 1; at <= quiet.calls.size(); ++at) {
    CAPTURE(at);
    CAPTURE(quiet.calls[at - 1]);
    const Run faulty = run(plan, Scope::whole(), 1, failing(at, EIO));
    if (!*faulty.result || lines_of(**faulty.result) != Lines{}) continue;
    CHECK(undated((*faulty.result)->pending) == undated((*quiet.result)->pending));  // a wider look made up for it
  }
}

TEST_CASE("a file that was something else for a moment is looked at again") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  ScanSite::settle();
  const Run quiet = run(plan, Scope::whole(), 1, failing(0, 0));
  unsigned files = 0;
  for (const int error : {ELOOP, ENXIO}) {
    for (unsigned at = 1; at <= quiet.calls.size(); ++at) {
      if (!opens_file(quiet.calls, at)) continue;
      CAPTURE(error);
      CAPTURE(at);
      const Run faulty = run(plan, Scope::whole(), 1, failing(at, error));
      if (!*faulty.result) continue;  // the root
      CHECK(lines_of(**faulty.result) == Lines{});
      ++files;
    }
  }
  CHECK(files >= 4);
}

TEST_CASE("of a directory that vanishes before its files come from the disk, the files are missing") {
  ScanSite site;
  site.tree.dir("d");
  site.tree.file("d/a", "x");
  site.tree.file("d/b", "x");
  site.release();
  const ScanPlan plan = site.plan();
  ScanSite::settle();
  const auto index_of = [](const SyscallGate::Calls& calls, int call, bool last) {
    const auto first_at = std::find(calls.begin(), calls.end(), call);
    const auto last_at = std::find(calls.rbegin(), calls.rend(), call);
    return static_cast<unsigned>(last ? calls.rend() - last_at : first_at - calls.begin() + 1);
  };
  const unsigned first_read = index_of(run(plan, Scope::whole(), 1, failing(0, 0)).calls, SYS_preadv2, false);
  // The first file is not in memory, so the second is left for later.
  const Run cold = run(plan, Scope::whole(), 1, failing(first_read, EAGAIN));
  REQUIRE(lines_of(**cold.result) == Lines{});
  const unsigned again = index_of(cold.calls, SYS_openat2, true);
  REQUIRE(again > first_read);
  const Run gone = run(plan, Scope::whole(), 1, [&](unsigned nth) {
    return nth == first_read ? EAGAIN : nth == again ? ENOENT : 0;
  });
  const Lines lines = lines_of(**gone.result);
  CHECK((lines == Lines{"missing d/a"} || lines == Lines{"missing d/b"}));
}

TEST_CASE("a tree that cannot be seen whole is no release exactly") {
  ScanSite site;
  build(site);
  const ScanPlan plan = site.plan();
  ScanSite::settle();
  const auto look = [&](const SyscallGate::Decide& decide) {
    std::optional<driftd::manifests::Result<bool>> exact;
    const SyscallGate::Calls calls = SyscallGate::run(
        [&] {
          exact.emplace(is_exactly(*plan.manifest, plan, Scope::whole(), {.threads = 1, .throttle = nullptr}, {}));
        },
        decide);
    return std::pair(calls.size(), *exact);
  };
  const auto [calls, exact] = look(failing(0, 0));
  REQUIRE(*exact);
  for (unsigned at = 1; at <= calls; ++at) {
    CAPTURE(at);
    const auto faulty = look(failing(at, EIO)).second;
    CHECK((!faulty || !*faulty));
  }
}

TEST_CASE("whichever system call finds the tree changed, the scan tells it as it was or as it is") {
  struct Happening {
    std::string what;
    void (*happens)(const TempTree& tree, const TempTree& aside);
    Lines before;
    Lines after;
    std::set<std::string> between;  ///< what else is true for a moment
  };
  for (const Happening& one : {
           Happening{"a file is edited",
                     [](const TempTree&tree, const TempTree&) { tree.file("d/f", "y"); },
                     {},
                     {"modified d/f"},
                     {}},
           Happening{"a file vanishes",
                     [](const TempTree&tree, const TempTree&) { tree.remove("d/f"); },
                     {},
                     {"missing d/f"},
                     {}},
           Happening{"a file is added",
                     [](const TempTree&tree, const TempTree&) { tree.file("d/new", ""); },
                     {},
                     {"added d/new"},
                     {}},
           Happening{"a directory vanishes",
                     [](const TempTree&tree, const TempTree&) { tree.remove("d"); },
                     {},
                     {"missing d +4"},
                     {"missing d/f", "missing d/link", "missing d/sub +1", "missing d/sub/g"}},
           Happening{"a directory becomes a link to its like",
                     [](const TempTree&tree, const TempTree&aside) {
                       (void)!::rename(tree.at("d").c_str(), aside.at("d").c_str());
                       tree.link("d", aside.at("d"));
                     },
                     {},
                     {"type d +4"},
                     {"missing d/sub +1", "unverified d unstable", "unverified d/sub unstable"}},
           Happening{"a link changes its target",
                     [](const TempTree&tree, const TempTree&) {
                       tree.remove("d/link");
                       tree.link("d/link", "g");
                     },
                     {},
                     {"target d/link"},
                     {}},
           Happening{"a link becomes a file",
                     [](const TempTree&tree, const TempTree&) {
                       tree.remove("d/link");
                       tree.file("d/link", "g");
                     },
                     {},
                     {"type d/link"},
                     {}},
           Happening{"what may be absent vanishes",
                     [](const TempTree&tree, const TempTree&) { tree.remove("opt"); },
                     {},
                     {},
                     {}},
           Happening{"a cache is cleared",
                     [](const TempTree&tree, const TempTree&) { tree.remove("cache/deep"); },
                     {},
                     {},
                     {}},
           Happening{"a shell becomes setuid in a cache",
                     [](const TempTree&tree, const TempTree&) { tree.mode("cache/deep/er/f", 04755); },
                     {},
                     {"added cache/deep/er/f"},
                     {}},
       }) {
    CAPTURE(one.what);
    bool seen_before = false;
    bool seen_after = false;
    for (unsigned at = 1;; ++at) {
      CAPTURE(at);
      ScanSite site(TempTree::Where::memory);
      const TempTree aside(TempTree::Where::memory);
      build(site);
      ScanSite::settle();  // else it is chance how many calls there are
      const Run changed = run(site.plan(), Scope::whole(), 1, [&](unsigned nth) {
        if (nth == at) one.happens(site.tree, aside);
        return 0;
      });
      if (at > changed.calls.size()) break;
      const Lines said = lines_of(**changed.result);
      seen_before |= said == one.before;
      seen_after |= said == one.after;
      if (said == one.before || said == one.after) continue;
      for (const std::string& line : said) CHECK_MESSAGE(one.between.contains(line), line);
    }
    CHECK(seen_before);
    CHECK(seen_after);
  }
}

TEST_CASE("what is added and there all the time is told, or that it is not known, whatever moves meanwhile") {
  struct Move {
    std::string what;
    void (*moves)(const TempTree& tree, const TempTree& aside, unsigned nth);
  };
  for (const Move& one : {
           Move{"it is renamed, there and back",
                [](const TempTree&tree, const TempTree&, unsigned nth) {
                  nth % 2 == 1 ? tree.rename("d/new", "d/other") : tree.rename("d/other", "d/new");
                }},
           Move{"its directory is exchanged for a copy, and it is taken out of the old one",
                [](const TempTree&tree, const TempTree&aside, unsigned) {
                  exchange_for_copy(tree, aside);
                  aside.remove("d/new");
                  aside.remove("d/sub/deep/new");
                }},
           Move{"its directory is exchanged for a copy, and the old one is removed",
                [](const TempTree&tree, const TempTree&aside, unsigned) {
                  exchange_for_copy(tree, aside);
                  aside.remove("d");
                }},
       }) {
    for (const auto where : {TempTree::Where::memory, TempTree::Where::disk}) {
      CAPTURE(one.what);
      CAPTURE(static_cast<int>(where));
      bool is_through = false;
      for (unsigned at = 1; !is_through; ++at) {
        CAPTURE(at);
        for (const bool once : {true, false}) {
          CAPTURE(once);
          ScanSite site(where);
          const TempTree aside(where);
          build_moving(site.tree);
          site.release();
          for (const char* path : {"d/new", "d/sub/deep/new"}) site.entries.erase(path);
          unsigned moves = 0;
          const Run moved = run(site.plan(), Scope::whole(), 1, [&](unsigned nth) {
            if (nth == at || (!once && nth > at)) one.moves(site.tree, aside, ++moves);
            return 0;
          });
          Scope told;
          for (const Finding& finding : (*moved.result)->findings) add_to(told, finding.path);
          for (const Unverified& unknown : (*moved.result)->unverified) add_to(told, unknown.path);
          CHECK((told.covers("d/new") || told.covers("d/other")));
          CHECK(told.covers("d/sub/deep/new"));
          // A directory that never holds still is given up.
          CHECK(moved.calls.size() < 1000);
          is_through |= at > moved.calls.size();
        }
      }
    }
  }
}

TEST_CASE("a stop ends the look at a directory in its midst, however many names it has or lacks") {
  for (const bool is_missing : {true, false}) {
    CAPTURE(is_missing);
    ScanSite site(TempTree::Where::memory);
    site.tree.dir("d");
    constexpr unsigned kNames = 1000;
    for (unsigned i = 0; i < kNames; ++i) site.tree.file("d/" + std::to_string(i), "");
    site.release();
    if (is_missing) {
      site.tree.remove("d");
      site.tree.dir("d");
    } else {
      std::erase_if(site.entries, [](const auto& entry) { return entry.first.starts_with("d/"); });
    }
    const ScanPlan plan = site.plan();
    ScanSite::settle();
    REQUIRE(run(plan, Scope::whole(), 1, failing(0, 0)).calls.size() > kNames);
    constexpr unsigned kStop = 40;
    std::stop_source stop;
    std::optional<Result> result;
    const auto look = [&] {
      result.emplace(scan(plan, Scope::whole(), {.threads = 1, .throttle = nullptr}, stop.get_token()));
    };
    const auto calls = SyscallGate::run(look, [&](unsigned nth) {
      if (nth == kStop) stop.request_stop();
      return 0;
    });
    CHECK_FALSE(result->has_value());
    CHECK(calls.size() < kStop + 10);
  }
}
