#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/drift_set.hpp"
#include "tests/unit/support/edit_facts.hpp"
#include "tests/unit/support/random_paths.hpp"

using namespace driftd::scanner;
using driftd::manifests::RelPath;
using driftd::test::edit;

namespace {

Scope scope_of(const std::vector<std::string>& paths) {
  Scope scope;
  for (const std::string& path : paths) path == "." ? scope.add_whole() : scope.add(*RelPath::parse(path));
  return scope;
}

/// What is found at every path.
constexpr FileId kFile{8, 12, 3};

Finding finding(const std::string& path, DriftKind kind = DriftKind::modified) {
  Finding made;
  made.file = kFile;
  made.changed_at = 1;
  made.changed_nanoseconds = 1;
  made.path = path;
  made.kind = kind;
  return made;
}

ScanResult result_of(Scope scope, const std::vector<std::string>& found,
                     const std::vector<std::string>& unverified = {}) {
  ScanResult result;
  result.scope = std::move(scope);
  for (const std::string& path : found) result.findings.push_back(finding(path));
  for (const std::string& path : unverified) result.unverified.push_back({path, UnverifiedReason::permission, 0, 0});
  return result;
}

using Paths = std::set<std::string>;

template <class Map>
Paths keys_of(const Map& map) {
  Paths keys;
  for (const auto& [path, value] : map) keys.insert(path);
  return keys;
}

Paths paths_of(const std::vector<const OpenDrift*>& opened) {
  Paths paths;
  for (const OpenDrift* one : opened) paths.insert(one->finding.path);
  return paths;
}

Paths paths_of(const std::map<std::string, OpenDrift>& closed) {
  Paths paths;
  for (const auto& [path, one] : closed) paths.insert(one.finding.path);
  return paths;
}

std::map<std::string, OpenDrift> open_since(std::int64_t first_seen, const std::vector<std::string>& paths) {
  std::map<std::string, OpenDrift> open;
  for (const std::string& path : paths) open[path] = {finding(path), first_seen};
  return open;
}

}  // namespace

TEST_CASE("a scan speaks for its scope alone") {
  DriftSet set;
  set.apply(result_of(Scope::whole(), {"a", "a-b", "a/b", "a/b/c", "z", "."}), {}, 10);
  SUBCASE("everything") {
    CHECK(paths_of(set.apply(result_of(Scope::whole(), {}), {}, 20).resolved) ==
          Paths{"a", "a-b", "a/b", "a/b/c", "z", "."});
    CHECK(set.open().empty());
  }
  SUBCASE("a subtree with its top, not what only starts like it") {
    CHECK(paths_of(set.apply(result_of(scope_of({"a"}), {}), {}, 20).resolved) == Paths{"a", "a/b", "a/b/c"});
    CHECK(keys_of(set.open()) == Paths{"a-b", "z", "."});
  }
  SUBCASE("nothing") {
    CHECK(set.apply(result_of({}, {}), {}, 20).resolved.empty());
    CHECK(set.open().size() == 6);
  }
}

TEST_CASE("first_seen and what was last seen survive a change of what is wrong") {
  DriftSet set;
  CHECK(paths_of(set.apply(result_of(Scope::whole(), {"a"}), {}, 10).opened) == Paths{"a"});
  ScanResult changed = result_of(Scope::whole(), {});
  changed.findings.push_back(finding("a", DriftKind::missing));
  const auto changes = set.apply(changed, {}, 20);
  CHECK(changes.opened.empty());
  CHECK(changes.resolved.empty());
  CHECK(set.open().at("a").first_seen == 10);
  CHECK(set.open().at("a").finding.kind == DriftKind::missing);
  CHECK(set.count(DriftKind::missing) == 1);
  CHECK(set.count(DriftKind::modified) == 0);
  CHECK(set.apply(result_of(Scope::whole(), {}), {}, 30).resolved.at("a").finding.kind == DriftKind::missing);
  set.apply(result_of(Scope::whole(), {"a"}), {}, 40);
  CHECK(set.open().at("a").first_seen == 40);
}

TEST_CASE("what a later scan looked at stays in force") {
  DriftSet set;
  set.apply(result_of(scope_of({"a"}), {"a/new"}, {"a/secret"}), {}, 10);
  const auto changes = set.apply(result_of(Scope::whole(), {"a/old", "b"}, {"a/gone", "c"}), scope_of({"a"}), 20);
  CHECK(paths_of(changes.opened) == Paths{"b"});
  CHECK(changes.resolved.empty());
  CHECK(keys_of(set.open()) == Paths{"a/new", "b"});
  CHECK(keys_of(set.unverified()) == Paths{"a/secret", "c"});
}

TEST_CASE("a path that could not be verified keeps the drift it had, with all below") {
  DriftSet set;
  set.apply(result_of(Scope::whole(), {"a", "a/b", "a/b/c", "ab", "z"}), {}, 10);
  SUBCASE("a directory") {
    const auto changes = set.apply(result_of(Scope::whole(), {}, {"a/b"}), {}, 20);
    CHECK(paths_of(changes.resolved) == Paths{"a", "ab", "z"});
    CHECK(keys_of(set.open()) == Paths{"a/b", "a/b/c"});
  }
  SUBCASE("the root") {
    CHECK(set.apply(result_of(Scope::whole(), {}, {"."}), {}, 20).resolved.empty());
    CHECK(set.open().size() == 5);
  }
  SUBCASE("verified again, it is resolved") {
    set.apply(result_of(Scope::whole(), {}, {"a"}), {}, 20);
    CHECK(keys_of(set.unverified()) == Paths{"a"});
    CHECK(paths_of(set.apply(result_of(scope_of({"a"}), {"a/b"}), {}, 30).resolved) == Paths{"a", "a/b/c"});
    CHECK(set.unverified().empty());
  }
}

TEST_CASE("a change below an open finding is looked at from there") {
  DriftSet set;
  set.apply(result_of(Scope::whole(), {"gone", "a/type", "a/type/deep", "b-c"}, {"secret", "."}), {}, 10);
  const std::vector<std::pair<std::string, std::string>> cases{
      {"gone", "gone"},       {"gone/x/y", "gone"},        {"a", "a"}, {"a/x", "a/x"},
      {"a/type/x", "a/type"}, {"a/type/deep/x", "a/type"}, {"b", "b"}, {"b/c", "b/c"},
      {"secret/x", "secret"}, {"secretx/y", "secretx/y"},
  };
  for (const auto& [changed, expected] : cases) {
    CAPTURE(changed);
    CHECK(set.rescan_path(changed) == expected);
  }
}

TEST_CASE("a change is looked at from the topmost finding above it, whatever is found beside that") {
  driftd::test::RandomPaths random;
  const auto below = [&](std::size_t bound) { return random.below(bound); };
  const auto some_path = [&] { return random.next(9); };
  for (int round = 0; round < 2'000; ++round) {
    std::vector<std::string> found;
    std::vector<std::string> unverified;
    for (std::size_t count = below(6); count > 0; --count) (below(3) == 0 ? unverified : found).push_back(some_path());
    DriftSet set;
    set.apply(result_of(Scope::whole(), found, unverified), {}, 10);
    for (int look = 0; look < 5; ++look) {
      const std::string changed = some_path();
      std::string expected = changed;
      for (const auto* paths : {&found, &unverified}) {
        for (const std::string& one : *paths) {
          if (changed.starts_with(one + "/") && one.size() < expected.size()) expected = one;
        }
      }
      CAPTURE(changed);
      CHECK(set.rescan_path(changed) == expected);
    }
  }
}

TEST_CASE("what was open elsewhere shows nowhere until it is looked at, and then is as old as it was or ends") {
  DriftSet set;
  set.recall(open_since(10, {"a", "b/c", "secret/x"}));
  CHECK(set.open().empty());
  CHECK(set.count(DriftKind::modified) == 0);
  const auto changes = set.apply(result_of(Scope::whole(), {"a", "new"}, {"secret"}), {}, 50);
  CHECK(paths_of(changes.opened) == Paths{"new"});
  CHECK(paths_of(changes.recalled) == Paths{"a"});
  CHECK(paths_of(changes.resolved) == Paths{"b/c"});
  CHECK(set.open().at("a").first_seen == 10);
  CHECK(set.open().at("new").first_seen == 50);
  // Not seen is not gone.
  CHECK(keys_of(set.recalled()) == Paths{"secret/x"});
  CHECK(paths_of(set.apply(result_of(scope_of({"secret"}), {"secret/x"}), {}, 60).recalled) == Paths{"secret/x"});
  CHECK(set.open().at("secret/x").first_seen == 10);
  CHECK(set.recalled().empty());
}

TEST_CASE("what a notice says stays with the drift until that ends") {
  DriftSet set;
  const auto told = [&] {
    Paths paths;
    for (const auto& [path, open] : set.open()) {
      if (open.notice.state == Notice::State::told) paths.insert(path);
    }
    return paths;
  };
  auto before = open_since(10, {"a", "gone"});
  for (auto& [path, open] : before) open.notice.state = Notice::State::told;
  set.recall(std::move(before));
  set.apply(result_of(Scope::whole(), {"a", "b"}), {}, 20);
  CHECK(told() == Paths{"a"});
  set.apply(result_of(Scope::whole(), {"a", "b", "gone"}), {}, 30);
  CHECK(told() == Paths{"a"});
  set.forget();
  set.apply(result_of(Scope::whole(), {"a", "b"}), {}, 40);
  CHECK(told() == Paths{"a"});
  set.apply(result_of(Scope::whole(), {}), {}, 50);
  set.apply(result_of(Scope::whole(), {"a"}), {}, 60);
  CHECK(told().empty());
}

TEST_CASE("drift is outdated from a new manifest until the next look") {
  DriftSet set;
  set.apply(result_of(Scope::whole(), {"a", "b", "c", "d"}), {}, 10);
  set.recall(open_since(5, {"e"}));
  set.outdate();
  // What was looked at and could not be seen was looked at.
  const auto first = set.apply(result_of(scope_of({"a", "b", "c", "e"}), {"a"}, {"c"}), {}, 20);
  REQUIRE(paths_of(first.resolved) == Paths{"b", "e"});
  for (const auto& [path, ended] : first.resolved) CHECK(ended.outdated);
  CHECK_FALSE(set.open().at("a").outdated);
  CHECK_FALSE(set.open().at("c").outdated);
  CHECK(set.open().at("d").outdated);
  for (const auto& [path, ended] : set.apply(result_of(Scope::whole(), {}), {}, 30).resolved) {
    CHECK(ended.outdated == (path == "d"));
  }
}

TEST_CASE("any sequence of scans leaves what a plain model of single paths leaves") {
  std::mt19937 random(20261121);
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  const std::vector<std::string> all{".",   "a",  "a-b", "a/b", "a/b/c", "a/b-c",
                                     "a/c", "ab", "b",   "b/a", "b/a/a", "\xff/a"};
  const auto covers = [](const std::vector<std::string>& tops, const std::string& path) {
    return std::any_of(tops.begin(), tops.end(), [&](const std::string& top) {
      return top == "." || path == top || path.starts_with(top + "/");
    });
  };
  const auto some = [&](std::size_t odds) {
    std::vector<std::string> paths;
    for (const std::string& path : all) {
      if (below(odds) == 0) paths.push_back(path);
    }
    return paths;
  };
  for (int round = 0; round < 300; ++round) {
    DriftSet set;
    std::map<std::string, std::int64_t> model;  // open path -> first seen
    std::map<std::string, std::int64_t> model_recalled;
    Paths model_unverified;
    for (std::int64_t now = 1; now < 12; ++now) {
      if (below(6) == 0) {
        set.forget();
        model_recalled.merge(model);
        model.clear();
        model_unverified.clear();
      }
      const auto scope = some(4);
      const auto newer = some(8);
      std::vector<std::string> found;
      std::vector<std::string> unverified;
      for (const std::string& path : some(3)) {
        if (covers(scope, path)) (below(4) == 0 ? unverified : found).push_back(path);
      }
      Paths opened;
      Paths recalled;
      Paths resolved;
      for (const std::string& path : all) {
        if (!covers(scope, path) || covers(newer, path)) continue;
        const bool is_found = std::find(found.begin(), found.end(), path) != found.end();
        if (const auto known = model_recalled.find(path); is_found && known != model_recalled.end()) {
          model.insert(*known);
          model_recalled.erase(known);
          recalled.insert(path);
        }
        if (is_found && model.try_emplace(path, now).second) opened.insert(path);
        const bool is_gone = !is_found && !covers(unverified, path);
        if (is_gone && model.erase(path) + model_recalled.erase(path) > 0) resolved.insert(path);
        std::find(unverified.begin(), unverified.end(), path) != unverified.end() ? (void)model_unverified.insert(path)
                                                                                  : (void)model_unverified.erase(path);
      }
      const auto changes = set.apply(result_of(scope_of(scope), found, unverified), scope_of(newer), now);
      CHECK(paths_of(changes.opened) == opened);
      CHECK(paths_of(changes.recalled) == recalled);
      CHECK(paths_of(changes.resolved) == resolved);
      CHECK(changes.opened.size() == opened.size());
      CHECK(changes.resolved.size() == resolved.size());
      std::map<std::string, std::int64_t> first_seen;
      for (const auto& [path, open] : set.open()) first_seen[path] = open.first_seen;
      CHECK(first_seen == model);
      CHECK(keys_of(set.recalled()) == keys_of(model_recalled));
      CHECK(keys_of(set.unverified()) == model_unverified);
    }
  }
}

TEST_CASE("drift whose content changes stays the same drift, and is marked as altered") {
  const auto with_size = [](std::uint64_t size) {
    ScanResult result;
    result.scope = Scope::whole();
    Finding finding;
    finding.path = "f";
    edit(finding.actual)->size = size;
    result.findings.push_back(finding);
    return result;
  };
  DriftSet drift;
  drift.apply(with_size(1), {}, 10);
  drift.apply(with_size(1), {}, 11);
  CHECK_FALSE(drift.open().at("f").altered);
  drift.apply(with_size(2), {}, 12);
  CHECK(drift.open().at("f").altered);
  CHECK(drift.open().at("f").first_seen == 10);
  drift.apply(with_size(2), {}, 13);
  CHECK(drift.open().at("f").altered);
}

namespace {

/// Known for all that was changed until the end of that second.
PathEvidence by(int pid, std::int64_t at = 1) {
  Evidence evidence;
  evidence.pid = pid;
  evidence.name = "program of " + std::to_string(pid);
  const PathEvidence::Changed changed{{0, 1}, {at, 999'999'999}};
  return {std::make_shared<const Evidence>(std::move(evidence)), at, false, kFile, changed};
}

/// Another process with the program of that one.
PathEvidence by_again(int pid, int before) {
  Evidence evidence = *by(before).last;
  evidence.pid = pid;
  return {std::make_shared<const Evidence>(std::move(evidence)), 1, false, kFile, by(before).changed};
}

ScanResult seen(const std::string& path, const char* content, std::optional<PathEvidence> evidence = {}) {
  ScanResult result = result_of(Scope::whole(), {path});
  edit(result.findings.front().actual)->target = content;
  if (evidence) result.evidence.emplace(path, *evidence);
  return result;
}

int author(const DriftSet& set) {
  const auto& evidence = set.open().begin()->second.evidence;
  return evidence && evidence->last ? evidence->last->pid : 0;
}

}  // namespace

TEST_CASE("drift keeps who made it, until somebody else changes it") {
  DriftSet set;
  (void)set.apply(seen("a", "1", by(7)), {}, 10);
  CHECK(author(set) == 7);
  CHECK_FALSE(set.open().at("a").evidence->several);
  // Looked at again, as it was.
  CHECK(set.apply(seen("a", "1"), {}, 11).attributed.empty());
  CHECK(author(set) == 7);
  // The same once more is no news.
  CHECK(set.apply(seen("a", "1", by(7, 2)), {}, 11).attributed.empty());
  CHECK_FALSE(set.open().at("a").evidence->several);
  CHECK(set.open().at("a").evidence->at == 2);
  // The same program in another process is to be written down, and not told.
  const auto repeated = set.apply(seen("a", "1", by_again(70, 7)), {}, 11);
  CHECK(repeated.attributed.empty());
  CHECK(paths_of(repeated.repeated) == Paths{"a"});
  CHECK(author(set) == 70);
  CHECK(set.open().at("a").evidence->several);
  // Somebody else.
  CHECK(paths_of(set.apply(seen("a", "2", by(8)), {}, 12).attributed) == Paths{"a"});
  CHECK(author(set) == 8);
  CHECK(set.open().at("a").evidence->several);
  // Nobody knows who.
  CHECK(paths_of(set.apply(seen("a", "3"), {}, 13).attributed) == Paths{"a"});
  CHECK(author(set) == 0);
  // It was drift before.
  (void)set.apply(seen("a", "4", by(9)), {}, 14);
  CHECK(author(set) == 9);
  CHECK(set.open().at("a").evidence->several);
}

TEST_CASE("drift that was changed later than what is known of who made it is nobody's") {
  DriftSet set;
  (void)set.apply(seen("a", "1", by(7, 100)), {}, 100);
  ScanResult found = seen("a", "1");
  found.findings.front().changed_at = 100;
  CHECK(set.apply(found, {}, 101).attributed.empty());
  CHECK(author(set) == 7);
  // By a way that gives no events, and what is looked at is as it was, as the size of a file whose content is not read.
  found.findings.front().changed_at = 102;
  CHECK(paths_of(set.apply(found, {}, 103).attributed) == Paths{"a"});
  CHECK(author(set) == 0);
}

TEST_CASE("evidence ends with the drift") {
  DriftSet set;
  (void)set.apply(seen("a", "1", by(7)), {}, 10);
  (void)set.apply(result_of(Scope::whole(), {}), {}, 11);
  (void)set.apply(seen("a", "1"), {}, 12);
  CHECK(author(set) == 0);
}

TEST_CASE("recalled drift has its evidence back when it is found again") {
  DriftSet set;
  OpenDrift before{finding("a"), 5};
  before.evidence = std::make_shared<const PathEvidence>(by(7, 9));
  set.recall({{"a", before}});
  ScanResult found = seen("a", "1");
  found.findings.front().changed_at = 9;
  const auto changes = set.apply(found, {}, 10);
  CHECK(author(set) == 7);
  CHECK(changes.attributed.empty());
}

TEST_CASE(
    "what is missing is who removed it's as long as its directory is as it was then, whoever looks, and whenever") {
  ScanResult found = seen("a", "1");
  found.findings.front().kind = DriftKind::missing;
  for (const bool is_recalled : {false, true}) {
    for (const auto& [gone_by, is_known] :
         std::vector<std::pair<std::optional<FileTime>, bool>>{{FileTime{9, 4}, false},
                                                               {FileTime{9, 5}, true},
                                                               {FileTime{9, 7}, true},
                                                               {FileTime{9, 8}, false},
                                                               {{}, false}}) {
      OpenDrift before{finding("a", DriftKind::missing), 5};
      PathEvidence who = by(7, 9);
      who.changed = PathEvidence::Changed{{9, 5}, {9, 7}};
      DriftSet set;
      found.findings.front().gone_by = FileTime{9, 6};
      if (is_recalled) {
        before.evidence = std::make_shared<const PathEvidence>(who);
        set.recall({{"a", before}});
      } else {
        found.evidence["a"] = who;
        set.apply(found, {}, 5);
        REQUIRE(author(set) == 7);
        found.evidence.clear();
      }
      found.findings.front().gone_by = gone_by;
      const auto changes = set.apply(found, {}, 10);
      CHECK((author(set) == 7) == is_known);
      CHECK(changes.attributed.empty() == is_known);
      CHECK(set.open().at("a").first_seen == 5);
    }
  }
}

TEST_CASE("who removed something is known further on where all is known that came and went beside it since") {
  struct Case {
    FileTime told_since;
    FileId directory;
    bool is_known;
  };
  const FileId another{kFile.device, kFile.inode + 1, kFile.born};
  for (const auto& [told_since, directory, is_known] :
       std::vector<Case>{{{9, 6}, kFile, true}, {{9, 7}, kFile, false}, {{9, 6}, another, false}}) {
    ScanResult found = seen("a", "1");
    found.findings.front().kind = DriftKind::missing;
    found.findings.front().gone_by = FileTime{9, 6};
    PathEvidence who = by(7, 9);
    who.changed = PathEvidence::Changed{{9, 5}, {9, 6}};
    found.evidence["a"] = who;
    DriftSet set;
    set.apply(found, {}, 10);
    found.evidence.clear();
    found.findings.front().gone_by = FileTime{20, 1};
    found.findings.front().told_since = told_since;
    found.findings.front().file = directory;
    const auto changes = set.apply(found, {}, 30);
    CHECK((author(set) == 7) == is_known);
    CHECK(changes.attributed.empty() == is_known);
    CHECK(paths_of(changes.repeated) == (is_known ? Paths{"a"} : Paths{}));
    if (is_known) CHECK(set.open().at("a").evidence->changed == PathEvidence::Changed{{9, 5}, {20, 1}});
  }
}

TEST_CASE("where a file system keeps whole seconds it is not known who changed something in one") {
  ScanResult found = seen("a", "1");
  for (const std::uint32_t nanoseconds : {0U, 1U}) {
    found.findings.front().changed_at = 9;
    found.findings.front().changed_nanoseconds = nanoseconds;
    PathEvidence who = by(7, 9);
    who.changed = PathEvidence::Changed{{9, nanoseconds}, {9, nanoseconds}};
    CHECK(is_of(who, found.findings.front()) == (nanoseconds != 0));
  }
}

TEST_CASE("what another file or directory is found to be is not who made the first what it was") {
  Finding found = finding("a");
  PathEvidence who = by(7, 9);
  const auto is_of_file = [&](FileId file) {
    found.file = file;
    return is_of(who, found);
  };
  for (const bool is_missing : {false, true}) {
    found.kind = is_missing ? DriftKind::missing : DriftKind::modified;
    found.gone_by = FileTime{1, 5};
    found.changed_nanoseconds = 5;
    who.changed = PathEvidence::Changed{{1, 5}, {1, 5}};
    who.file = kFile;
    CHECK(is_of_file(kFile));
    CHECK_FALSE(is_of_file({kFile.device, kFile.inode + 1, kFile.born}));
    CHECK_FALSE(is_of_file({kFile.device + 1, kFile.inode, kFile.born}));
    CHECK_FALSE(is_of_file({kFile.device, kFile.inode, kFile.born + 1}));
    CHECK_FALSE(is_of_file({}));
    // As it is read after the host was started anew.
    who.file.device = 0;
    CHECK(is_of_file(kFile));
    CHECK_FALSE(is_of_file({kFile.device, kFile.inode + 1, kFile.born}));
    who.file = {};
    CHECK_FALSE(is_of_file(kFile));
    CHECK_FALSE(is_of_file({}));
  }
}

TEST_CASE("who changed a directory is known further on where all is known that was done to it since") {
  for (const bool is_known : {true, false}) {
    ScanResult found = result_of(Scope::whole(), {});
    found.findings.push_back(finding("a", DriftKind::metadata));
    found.evidence["a"] = by(7);
    DriftSet set;
    set.apply(found, {}, 10);
    found.evidence.clear();
    found.findings.front().changed_at = 20;
    if (is_known) found.findings.front().told_since = FileTime{1, 1};
    set.apply(found, {}, 30);
    CHECK((author(set) == 7) == is_known);
  }
}

TEST_CASE("recalled drift that changed while nobody looked is nobody's, and that is news") {
  ScanResult found = seen("a", "1");
  for (const auto& [changed_at, is_known] :
       std::vector<std::pair<std::int64_t, bool>>{{99, true}, {100, true}, {101, false}}) {
    DriftSet set;
    OpenDrift before{finding("a"), 5};
    before.evidence = std::make_shared<const PathEvidence>(by(7, 100));
    set.recall({{"a", before}});
    found.findings.front().changed_at = changed_at;
    const auto changes = set.apply(found, {}, 200);
    CHECK((author(set) == 7) == is_known);
    CHECK(changes.attributed.empty() == is_known);
    CHECK(set.open().at("a").first_seen == 5);
  }
}

TEST_CASE("a change right after the one that is known is another's, and so is a file that was changed before it") {
  for (const std::uint32_t nanoseconds : {499U, 500U, 501U}) {
    DriftSet set;
    OpenDrift before{finding("a"), 5};
    PathEvidence evidence = by(7, 100);
    evidence.changed = PathEvidence::Changed{{100, 500}, {100, 500}};
    before.evidence = std::make_shared<const PathEvidence>(evidence);
    set.recall({{"a", before}});
    ScanResult found = seen("a", "1");
    found.findings.front().changed_at = 100;
    found.findings.front().changed_nanoseconds = nanoseconds;
    (void)set.apply(found, {}, 200);
    CHECK((author(set) == 7) == (nanoseconds == 500));
  }
}

TEST_CASE("the same process once more is no news, but kept") {
  DriftSet set;
  PathEvidence evidence = by(7, 10);
  evidence.changed = PathEvidence::Changed{{10, 0}, {10, 0}};
  (void)set.apply(seen("a", "1", evidence), {}, 10);
  evidence.changed = PathEvidence::Changed{{11, 0}, {11, 0}};
  const auto changes = set.apply(seen("a", "1", evidence), {}, 11);
  CHECK(changes.attributed.empty());
  CHECK(paths_of(changes.repeated) == Paths{"a"});
}

TEST_CASE("drift that is found below another root is not known to be of who made it below the first") {
  for (const bool is_known : {false, true}) {
    DriftSet set;
    (void)set.apply(seen("a", "1", by(7)), {}, 10);
    set.forget();
    const auto changes = set.apply(seen("a", "1", is_known ? std::optional(by(8, 2)) : std::nullopt), {}, 11);
    CHECK(changes.attributed.size() == (is_known ? 1 : 0));
    CHECK(changes.repeated.size() == (is_known ? 0 : 1));
    CHECK(author(set) == (is_known ? 8 : 0));
  }
}
