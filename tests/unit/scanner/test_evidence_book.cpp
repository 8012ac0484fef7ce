#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/evidence_book.hpp"

using namespace driftd::scanner;
using namespace std::chrono_literals;
using driftd::manifests::RelPath;
using Clock = EvidenceBook::Clock;

namespace {

constexpr std::int64_t kWall = 1'763'720'000;
/// What stands at every path that the tests do not say more of.
constexpr FileId kFile{8, 12};
constexpr FileId kDirectory{8, 2};

/// Of whom nothing is left but the number.
Toucher gone(int pid) {
  Toucher who;
  who.pid = pid;
  who.file = kFile;
  who.changed = FileTime{kWall, 1};
  return who;
}

Toucher process(int pid) {
  Evidence evidence;
  evidence.pid = pid;
  Toucher who = gone(pid);
  who.process = std::make_shared<const Evidence>(std::move(evidence));
  return who;
}

ScanResult found(const std::vector<std::string>& paths, const std::vector<std::string>& scope = {}) {
  ScanResult result;
  if (scope.empty()) result.scope.add_whole();
  for (const std::string& path : scope) result.scope.add(*RelPath::parse(path));
  for (const std::string& path : paths) {
    Finding finding;
    finding.path = path;
    finding.file = kFile;
    finding.changed_at = kWall;
    finding.changed_nanoseconds = 1;
    result.findings.push_back(finding);
  }
  return result;
}

const auto kAlice = process(1);
const auto kBob = process(2);
const Clock::time_point kStart{};

}  // namespace

TEST_CASE("a scan takes who touched what it found, once") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.note("b", kBob, kWall, kStart + 1s);
  const auto taken = book.take(found({"a", "c"}), kStart + 2s);
  REQUIRE(taken.size() == 2);
  CHECK(taken.at("b").last == kBob.process);
  CHECK(taken.at("a").last == kAlice.process);
  CHECK(taken.at("a").at == kWall);
  CHECK_FALSE(taken.at("a").several);
  CHECK(book.take(found({"a", "b", "c"}), kStart + 3s).empty());
}

TEST_CASE("who touched a path is not who changed it once more, of which nobody was told") {
  for (const bool is_newer : {false, true}) {
    EvidenceBook book;
    Toucher alice = kAlice;
    alice.changed = FileTime{1'763'720'000, 500};
    book.note("a", alice, kWall, kStart + 1s);
    ScanResult result = found({"a"});
    result.findings.front().changed_at = 1'763'720'000;
    result.findings.front().changed_nanoseconds = is_newer ? 501 : 500;
    const auto taken = book.take(result, kStart + 2s);
    CHECK((taken.at("a").last == nullptr) == is_newer);
    CHECK(taken.at("a").several == is_newer);
  }
}

TEST_CASE("who removed something is known as long as all that came and went beside it was told") {
  const auto removal = [](Toucher who, FileTime changed, const std::string& directory = "lib") {
    who.directory = Toucher::Directory{directory, kDirectory, changed};
    who.is_gone = true;
    who.file = kDirectory;
    who.changed = changed;
    return who;
  };
  const auto who_removed = [](EvidenceBook& book, FileTime gone_by, FileId directory = kDirectory) {
    ScanResult result = found({"lib/a"});
    result.findings.front().kind = DriftKind::missing;
    result.findings.front().file = directory;
    result.findings.front().gone_by = gone_by;
    return book.take(result, kStart + 9s).at("lib/a");
  };
  const auto removed = [&] {
    auto book = std::make_unique<EvidenceBook>();
    book->note("lib/a", removal(kAlice, {5, 1}), kWall, kStart + 1s);
    return book;
  };
  SUBCASE("nothing else") { CHECK(who_removed(*removed(), {5, 1}).last == kAlice.process); }
  SUBCASE("something that nobody was told of") { CHECK(who_removed(*removed(), {5, 2}).last == nullptr); }
  SUBCASE("another name") {
    auto book = removed();
    book->note("lib/b", removal(kBob, {5, 2}), kWall, kStart + 2s);
    const auto evidence = who_removed(*book, {5, 2});
    CHECK(evidence.last == kAlice.process);
    CHECK(evidence.changed == PathEvidence::Changed{{5, 1}, {5, 2}});
  }
  SUBCASE("another name, and then something that nobody was told of") {
    auto book = removed();
    book->note("lib/b", removal(kBob, {5, 2}), kWall, kStart + 2s);
    CHECK(who_removed(*book, {5, 3}).last == nullptr);
  }
  SUBCASE("a name in another directory") {
    auto book = removed();
    book->note("b", removal(kBob, {5, 2}, "."), kWall, kStart + 2s);
    CHECK(who_removed(*book, {5, 2}).last == nullptr);
  }
  SUBCASE("another directory that was changed at the same time") {
    CHECK(who_removed(*removed(), {5, 1}, {8, 3}).last == nullptr);
    CHECK(who_removed(*removed(), {5, 1}, {9, 2}).last == nullptr);
  }
  SUBCASE("something that may have gone by untold, and then another name") {
    auto book = removed();
    book->forget_directories();
    book->note("lib/b", removal(kBob, {5, 3}), kWall, kStart + 2s);
    CHECK(who_removed(*book, {5, 3}).last == nullptr);
  }
  SUBCASE("another directory in the place of this one") {
    auto book = removed();
    book->forget_below("lib");
    ScanResult result = found({"lib/a"});
    CHECK(book->take(result, kStart + 9s).empty());
  }
  SUBCASE("who wrote it before") {
    EvidenceBook book;
    Toucher alice = kAlice;
    alice.changed = FileTime{5, 1};
    book.note("lib/a", alice, kWall, kStart + 1s);
    book.note("lib/b", removal(kBob, {5, 2}), kWall, kStart + 2s);
    CHECK(who_removed(book, {5, 1}).last == nullptr);
  }
}

TEST_CASE("since when all is known that came and went in a directory") {
  EvidenceBook book;
  const auto note = [&](const std::string& directory, FileTime changed, FileId file = kDirectory) {
    Toucher who = kAlice;
    who.directory = Toucher::Directory{directory, file, changed};
    book.note(directory + "/x", who, kWall, kStart);
  };
  const auto told_since = [&](FileTime gone_by) {
    std::vector<Finding> findings(1);
    findings[0].path = "lib/a";
    findings[0].kind = DriftKind::missing;
    findings[0].file = kDirectory;
    findings[0].gone_by = gone_by;
    book.date(findings);
    return findings[0].told_since;
  };
  CHECK_FALSE(told_since({5, 1}));
  note("lib", {5, 2});
  note("lib", {5, 6});
  note("other", {5, 8});
  CHECK_FALSE(told_since({5, 1}));
  CHECK(told_since({5, 2}) == FileTime{5, 2});
  CHECK(told_since({5, 6}) == FileTime{5, 2});
  CHECK_FALSE(told_since({5, 7}));
  SUBCASE("after a doubt it begins anew") {
    book.forget_directories();
    CHECK_FALSE(told_since({5, 6}));
    note("lib", {5, 9});
    CHECK(told_since({5, 9}) == FileTime{5, 9});
  }
  SUBCASE("so it does where a directory has come or gone") {
    book.forget_below(".");
    note("lib", {5, 9});
    CHECK(told_since({5, 9}) == FileTime{5, 9});
  }
  SUBCASE("and in another directory") {
    note("lib", {5, 9}, {8, 3});
    CHECK_FALSE(told_since({5, 9}));
    note("lib", {6, 1});
    CHECK_FALSE(told_since({5, 9}));
    CHECK(told_since({6, 1}) == FileTime{6, 1});
  }
  SUBCASE("and where the clock was set back") {
    note("lib", {5, 4});
    CHECK(told_since({5, 4}) == FileTime{5, 4});
    CHECK_FALSE(told_since({5, 6}));
  }
}

TEST_CASE(
    "who made a directory that is not listed is known whoever puts something into it, as long as all else is told") {
  const auto look = [](EvidenceBook& book, DriftKind kind, std::uint32_t nanoseconds, bool names_changed_last) {
    ScanResult result = found({"new"});
    result.findings.front().kind = kind;
    result.findings.front().file = kDirectory;
    result.findings.front().changed_nanoseconds = nanoseconds;
    result.findings.front().names_changed_last = names_changed_last;
    book.date(result.findings);
    const auto taken = book.take(result, kStart + 2s);
    return std::pair(taken.contains("new") && taken.at("new").last, result.findings.front().told_since);
  };
  const FileTime made{kWall, 5};
  EvidenceBook book;
  Toucher alice = kAlice;
  alice.file = kDirectory;
  alice.changed = made;
  alice.is_directory = true;
  book.note("new", alice, kWall, kStart + 1s);
  SUBCASE("names") {
    CHECK(look(book, DriftKind::added, 7, true) == std::pair(true, std::optional(made)));
    CHECK(look(book, DriftKind::added, 9, true) == std::pair(false, std::optional(made)));
    CHECK(look(book, DriftKind::added, 10, false) == std::pair(false, std::optional<FileTime>()));
  }
  SUBCASE("where a file stood") { CHECK(look(book, DriftKind::type, 7, true).first); }
  SUBCASE("something else") { CHECK_FALSE(look(book, DriftKind::added, 7, false).first); }
  SUBCASE("a listed one") { CHECK_FALSE(look(book, DriftKind::metadata, 7, true).first); }
  SUBCASE("names, where something may have gone by untold") {
    book.forget_directories();
    CHECK_FALSE(look(book, DriftKind::added, 7, true).first);
  }
}

TEST_CASE("who touched what is as it should be is known of those alone who came before the scan") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.note("b", kAlice, kWall, kStart + 1s);
  book.note("b", kBob, kWall, kStart + 3s);
  book.note("beside", kBob, kWall, kStart + 1s);
  const auto taken = book.take(found({}, {"a", "b"}), kStart + 2s);
  REQUIRE(taken.size() == 1);
  CHECK(taken.at("a").last == kAlice.process);
  CHECK(book.take(found({}), kStart + 4s).at("b").last == kBob.process);
}

TEST_CASE("who touched a path and left it as it was is not who changes it later") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  CHECK(book.take(found({}, {"a"}), kStart + 2s).size() == 1);
  // Now somebody changes it through a mapping, and the kernel tells nobody.
  CHECK(book.take(found({"a"}), kStart + 9s).empty());
}

TEST_CASE("a scan forgets within its scope alone, and nothing that came after it began") {
  EvidenceBook book;
  book.note("d/a", kAlice, kWall, kStart + 1s);
  book.note("e/a", kAlice, kWall, kStart + 1s);
  book.note("d/b", kBob, kWall, kStart + 3s);
  CHECK(book.take(found({"d/b"}, {"d"}), kStart + 2s).at("d/b").last == kBob.process);
  const auto rest = book.take(found({"d/a", "d/b", "e/a"}), kStart + 4s);
  CHECK(rest.size() == 2);
  CHECK(rest.at("d/b").last == kBob.process);
  CHECK(rest.at("e/a").last == kAlice.process);
}

TEST_CASE("who touched what was left unread is for the look that reads it") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.note("b", kBob, kWall, kStart + 1s);
  ScanResult result = found({});
  result.unread = {"a"};
  CHECK_FALSE(book.take(result, kStart + 2s).contains("a"));
  const auto taken = book.take(found({"a"}, {"a"}), kStart + 3s);
  REQUIRE(taken.size() == 1);
  CHECK(taken.at("a").last == kAlice.process);
}

TEST_CASE("of several the last counts, be it unknown") {
  struct Case {
    std::vector<Toucher> touched;
    Toucher last;
    bool several;
  };
  for (const Case& one : std::vector<Case>{
           {{kAlice, kAlice}, kAlice, false},
           {{kAlice, process(1)}, process(1), false},  // the same once more, seen anew
           {{kAlice, kBob}, kBob, true},
           {{kAlice, kBob, kBob}, kBob, true},
           {{kAlice, gone(1)}, gone(1), true},
           {{gone(3), kBob}, kBob, true},
           {{gone(3)}, gone(3), false},
       }) {
    EvidenceBook book;
    for (const auto& who : one.touched) book.note("a", who, kWall, kStart + 1s);
    const auto taken = book.take(found({"a"}), kStart + 2s);
    const auto& expected = one.last.process;
    CHECK((taken.at("a").last != nullptr) == (expected != nullptr));
    if (expected) CHECK(*taken.at("a").last == *expected);
    CHECK(taken.at("a").several == one.several);
  }
}

TEST_CASE("of touches that waited together nobody knows which was the last, unless one process made them all") {
  const auto waited = [](Toucher who, std::uint64_t queue) {
    who.queue = queue;
    return who;
  };
  struct Case {
    std::vector<Toucher> touched;
    Toucher last;
  };
  for (const Case& one : std::vector<Case>{
           {{waited(kAlice, 1), waited(kAlice, 1)}, kAlice},
           {{waited(kAlice, 1), waited(kBob, 2)}, kBob},
           {{waited(kAlice, 1), waited(kBob, 1)}, gone(0)},
           {{waited(kAlice, 1), waited(kBob, 1), waited(kBob, 1)}, gone(0)},
           {{waited(kAlice, 1), waited(kBob, 1), waited(kBob, 2)}, kBob},
       }) {
    EvidenceBook book;
    for (const auto& who : one.touched) book.note("a", who, kWall, kStart + 1s);
    const auto taken = book.take(found({"a"}), kStart + 2s);
    CHECK(taken.at("a").last == one.last.process);
    CHECK(taken.at("a").several == (one.last.process != kAlice.process));
  }
}

TEST_CASE("who is gone is known by the number, as long as it cannot have become another's") {
  const auto numbers = [](std::int32_t latest, std::chrono::microseconds after) {
    return PidCursor{latest, PidCursor::Clock::time_point{} + after};
  };
  Toucher writer = process(100);
  writer.seen = numbers(120, 0us);
  struct Case {
    int pid;
    PidCursor seen;
    bool is_known;
  };
  for (const Case& one : std::vector<Case>{
           {100, numbers(120, 100us), true},
           {100, numbers(4000, 4ms), true},
           {101, numbers(120, 100us), false},
           {100, numbers(120, 6ms), false},   // all numbers may have been given
           {100, numbers(99, 100us), false},  // they begin anew
           {100, numbers(301, 6ms), false},
           {100, {}, false},
       }) {
    EvidenceBook book;
    book.note("a", writer, kWall, kStart + 1s);
    Toucher last = gone(one.pid);
    last.seen = one.seen;
    book.note("a", last, kWall + 1, kStart + 3s);
    // It was touched after the scan began, so it is for the next one, too.
    for (const auto began : {2s, 4s}) {
      const auto taken = book.take(found({"a"}), kStart + began);
      REQUIRE(taken.contains("a"));
      CHECK((taken.at("a").last == writer.process) == one.is_known);
      CHECK(taken.at("a").several == !one.is_known);
      CHECK(taken.at("a").at == kWall + 1);
    }
  }
  // Numbers had begun anew before the writer, who has a high one, was looked at.
  CHECK_FALSE(is_same_process(100, numbers(50, 0us), numbers(120, 100us)));
  CHECK(is_same_process(100, numbers(50, 0us), numbers(99, 100us)));
}

TEST_CASE("all that one process did in a row is its own, and what has another time is not") {
  Toucher alice = kAlice;
  const auto changed = [&](EvidenceBook& book, std::uint32_t nanoseconds) {
    alice.changed = FileTime{1, nanoseconds};
    book.note("a", alice, kWall, kStart + 1s);
  };
  for (const auto& [nanoseconds, is_known] :
       std::vector<std::pair<std::uint32_t, bool>>{{499, false}, {500, true}, {600, true}, {700, true}, {701, false}}) {
    CAPTURE(nanoseconds);
    EvidenceBook book;
    changed(book, 500);
    changed(book, 700);
    ScanResult result = found({"a"});
    result.findings.front().changed_at = 1;
    result.findings.front().changed_nanoseconds = nanoseconds;
    CHECK((book.take(result, kStart + 2s).at("a").last != nullptr) == is_known);
  }
  // Of another before nothing is taken over.
  EvidenceBook book;
  Toucher bob = kBob;
  bob.changed = FileTime{1, 400};
  book.note("a", bob, kWall, kStart + 1s);
  changed(book, 500);
  ScanResult result = found({"a"});
  result.findings.front().changed_at = 1;
  result.findings.front().changed_nanoseconds = 500;
  const auto taken = book.take(result, kStart + 2s);
  CHECK(taken.at("a").changed == PathEvidence::Changed{{1, 500}, {1, 500}});
}

TEST_CASE("what is below a directory that comes or goes is in doubt, and nothing else") {
  EvidenceBook book;
  for (const char* path : {"d", "d/a", "d/x/y", "d-e", "e"}) book.note(path, kAlice, kWall, kStart + 1s);
  book.forget_below("d");
  const auto taken = book.take(found({"d", "d/a", "d/x/y", "d-e", "e"}), kStart + 2s);
  CHECK(taken.size() == 3);
  CHECK(taken.contains("d"));
  CHECK(taken.contains("d-e"));
  CHECK(taken.contains("e"));
}

TEST_CASE("what went by unseen puts all in doubt") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.forget();
  CHECK(book.take(found({"a"}), kStart + 2s).empty());
}

TEST_CASE("the book does not grow without bound, and keeps the latest") {
  EvidenceBook book;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < EvidenceBook::kMostPaths * 3; ++i) {
    paths.push_back(std::to_string(i));
    book.note(paths.back(), kAlice, kWall, kStart + std::chrono::milliseconds(i));
  }
  const auto taken = book.take(found(paths), kStart + 1h);
  CHECK(taken.size() <= EvidenceBook::kMostPaths);
  CHECK(taken.size() >= EvidenceBook::kMostPaths / 2);
  CHECK(taken.contains(paths.back()));
  CHECK_FALSE(taken.contains(paths.front()));
}
