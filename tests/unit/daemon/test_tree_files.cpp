#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/tree_files.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::scanner::Dirty;
using driftd::scanner::FileNumber;
using driftd::scanner::KnownFile;
using driftd::scanner::Scope;
using driftd::scanner::StatCache;
using driftd::test::TempTree;

namespace {

using Lines = std::vector<std::string>;
using Seen = TreeFiles::Seen;

Lines paths_of(const Scope& scope) {
  if (scope.is_whole()) return {"all"};
  Lines lines;
  for (const auto& path : scope.paths()) lines.push_back(path.str());
  return lines;
}

/// A tree with the entries a, b and c.
struct Fixture {
  Fixture() {
    for (const char* name : {"a", "b", "c"}) tree.file(name, "x");
    manifest = release();
  }

  [[nodiscard]] ManifestPointer release() const {
    return driftd::test::make_release(driftd::test::record(tree.path()));
  }

  [[nodiscard]] KnownFile file(FileNumber number, const char* path) const {
    return {number, manifest->manifest().find(path).value()};
  }

  [[nodiscard]] Lines leads_to(FileNumber number) const {
    Scope scope;
    files.known().add_to(scope, number);
    return paths_of(scope);
  }

  Dirty end(const TreeFiles::Look& begun, Seen seen, std::vector<KnownFile> found) {
    StatCache cache(manifest->manifest().size());
    return files.end_look(begun, seen, manifest, std::move(found), cache);
  }

  /// That nothing happens during.
  void look(Seen seen, std::vector<KnownFile> found) {
    const auto begun = files.begin_look();
    CHECK(end(*begun, seen, std::move(found)).empty());
  }

  TempTree tree;
  ManifestPointer manifest;
  TreeFiles files;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a full scan tells all, any other look tells more") {
  CHECK(leads_to(1).empty());
  look(Seen::all, {file(1, "a"), file(2, "b")});
  CHECK(leads_to(1) == Lines{"a"});
  look(Seen::somewhere, {file(1, "b")});
  CHECK(leads_to(1) == Lines{"a", "b"});
  look(Seen::changed, {file(3, "c")});
  CHECK(leads_to(1) == Lines{"a", "b"});
  CHECK(leads_to(3) == Lines{"c"});
  look(Seen::all, {file(1, "a"), file(4, "b")});
  CHECK(leads_to(1) == Lines{"a"});
  CHECK(leads_to(3).empty());
  CHECK(leads_to(4) == Lines{"b"});
  SUBCASE("of another manifest, nothing is known") {
    manifest = release();
    look(Seen::somewhere, {file(5, "a")});
    CHECK(leads_to(1).empty());
    CHECK(leads_to(5) == Lines{"a"});
  }
}

TEST_CASE_FIXTURE(Fixture, "what looks learn while a scan runs is known when that ends") {
  look(Seen::all, {file(1, "a"), file(2, "b")});
  for (const Seen seen : {Seen::all, Seen::changed}) {
    CAPTURE(int(seen));
    const auto scan = files.begin_look(seen);
    look(Seen::somewhere, {file(7, "a")});
    look(Seen::somewhere, {file(8, "b")});
    look(seen == Seen::all ? Seen::changed : Seen::somewhere, {file(9, "b")});
    // It had looked at them before.
    CHECK(end(*scan, seen, {file(1, "a"), file(2, "b"), file(3, "c")}).empty());
    CHECK(leads_to(7) == Lines{"a"});
    CHECK(leads_to(9) == Lines{"b"});
    CHECK(leads_to(3) == Lines{"c"});
    // It does not stay for ever.
    look(Seen::all, {file(1, "a"), file(2, "b")});
    CHECK(leads_to(7).empty());
  }
  SUBCASE("though not what was learnt of another manifest") {
    const auto scan = files.begin_look();
    look(Seen::somewhere, {file(7, "a")});
    manifest = release();
    CHECK(end(*scan, Seen::all, {file(1, "a")}).empty());
    CHECK(leads_to(7).empty());
  }
}

TEST_CASE_FIXTURE(Fixture, "what was touched during a look, by a name that led nowhere, is looked at again") {
  files.touched(1);
  const auto scan = files.begin_look();
  files.touched(2);
  const auto look_within = files.begin_look();
  files.touched(3);
  CHECK(paths_of(end(*look_within, Seen::somewhere, {file(2, "b"), file(3, "c")}).paths) == Lines{"c"});
  // Of c, events have told since.
  CHECK(end(*scan, Seen::all, {file(1, "a"), file(2, "b"), file(3, "c")}).empty());

  const auto other = files.begin_look();
  for (const FileNumber number : {FileNumber{1}, FileNumber{4}}) files.touched(number);
  CHECK(paths_of(end(*other, Seen::all, {file(1, "a"), file(4, "b")}).paths) == Lines{"b"});
}

TEST_CASE("where too much was touched during a look, the rest is read by whoever looks next") {
  constexpr FileNumber kMost = 20'000;
  driftd::test::Entries entries;
  for (FileNumber i = 0; i < kMost + 2; ++i) entries["f" + std::to_string(i)] = driftd::test::file_entry("x");
  const ManifestPointer manifest = driftd::test::make_release(entries);
  TreeFiles files;
  StatCache cache(manifest->manifest().size());
  const auto look = files.begin_look();
  std::vector<KnownFile> found;
  for (FileNumber i = 0; i < kMost + 2; ++i) {
    found.push_back({i + 1, manifest->manifest().find("f" + std::to_string(i)).value()});
    files.touched(found.back().file);
    cache.remember(found.back().entry, 1, cache.moment());
  }
  const Dirty missed = files.end_look(*look, Seen::all, manifest, found, cache);
  CHECK(missed.anywhere);
  CHECK(missed.paths.paths().size() == kMost);
  const auto is_read = [&](const KnownFile& file) { return cache.remembered(file.entry) == 0; };
  CHECK(std::count_if(found.begin(), found.end(), is_read) == 2);
}
