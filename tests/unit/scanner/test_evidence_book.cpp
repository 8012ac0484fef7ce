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

std::shared_ptr<const Evidence> process(int pid) {
  Evidence evidence;
  evidence.pid = pid;
  return std::make_shared<const Evidence>(std::move(evidence));
}

ScanResult found(const std::vector<std::string>& paths, const std::vector<std::string>& scope = {}) {
  ScanResult result;
  if (scope.empty()) result.scope.add_whole();
  for (const std::string& path : scope) result.scope.add(*RelPath::parse(path));
  for (const std::string& path : paths) {
    Finding finding;
    finding.path = path;
    result.findings.push_back(finding);
  }
  return result;
}

const auto kAlice = process(1);
const auto kBob = process(2);
constexpr std::int64_t kWall = 1'763'720'000;
const Clock::time_point kStart{};

}  // namespace

TEST_CASE("a scan takes who touched what it found, once") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.note("b", kBob, kWall, kStart + 1s);
  const auto taken = book.take(found({"a", "c"}), kStart + 2s);
  REQUIRE(taken.size() == 1);
  CHECK(taken.at("a").last == kAlice);
  CHECK(taken.at("a").at == kWall);
  CHECK_FALSE(taken.at("a").several);
  CHECK(book.take(found({"a", "b", "c"}), kStart + 3s).empty());
}

TEST_CASE("who touched a path and left it as it was is not who changes it later") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  CHECK(book.take(found({}, {"a"}), kStart + 2s).empty());
  // Now somebody changes it through a mapping, and the kernel tells nobody.
  CHECK(book.take(found({"a"}), kStart + 9s).empty());
}

TEST_CASE("a scan forgets within its scope alone, and nothing that came after it began") {
  EvidenceBook book;
  book.note("d/a", kAlice, kWall, kStart + 1s);
  book.note("e/a", kAlice, kWall, kStart + 1s);
  book.note("d/b", kBob, kWall, kStart + 3s);
  CHECK(book.take(found({"d/b"}, {"d"}), kStart + 2s).at("d/b").last == kBob);
  const auto rest = book.take(found({"d/a", "d/b", "e/a"}), kStart + 4s);
  CHECK(rest.size() == 2);
  CHECK(rest.at("d/b").last == kBob);
  CHECK(rest.at("e/a").last == kAlice);
}

TEST_CASE("of several the last counts, be it unknown") {
  struct Case {
    std::vector<std::shared_ptr<const Evidence>> touched;
    std::shared_ptr<const Evidence> last;
    bool several;
  };
  for (const Case& one : std::vector<Case>{
           {{kAlice, kAlice}, kAlice, false},
           {{kAlice, process(1)}, process(1), false},  // the same once more, seen anew
           {{kAlice, kBob}, kBob, true},
           {{kAlice, kBob, kBob}, kBob, true},
           {{kAlice, nullptr}, nullptr, true},
           {{nullptr, kBob}, kBob, true},
           {{nullptr}, nullptr, false},
       }) {
    EvidenceBook book;
    for (const auto& who : one.touched) book.note("a", who, kWall, kStart + 1s);
    const auto taken = book.take(found({"a"}), kStart + 2s);
    CHECK((taken.at("a").last != nullptr) == (one.last != nullptr));
    if (one.last) CHECK(*taken.at("a").last == *one.last);
    CHECK(taken.at("a").several == one.several);
  }
}

TEST_CASE("who ends after writing closes what it wrote; anybody else who closes is somebody else") {
  EvidenceBook book;
  book.note("a", kAlice, kWall, kStart + 1s);
  book.note_closing("a", 1, kWall, kStart + 1s);
  book.note("b", kAlice, kWall, kStart + 1s);
  book.note_closing("b", 2, kWall, kStart + 1s);
  book.note_closing("c", 1, kWall, kStart + 1s);
  book.note("d", nullptr, kWall, kStart + 1s);
  book.note_closing("d", 1, kWall, kStart + 1s);
  const auto taken = book.take(found({"a", "b", "c", "d"}), kStart + 2s);
  CHECK(taken.at("a").last == kAlice);
  CHECK_FALSE(taken.at("a").several);
  for (const char* unknown : {"b", "c", "d"}) CHECK_FALSE(taken.at(unknown).last);
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
