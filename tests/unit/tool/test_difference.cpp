#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/difference.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/random.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::build_manifest;
using driftd::test::dir_entry;
using driftd::test::Entries;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::link_entry;
using driftd::test::Random;
using driftd::test::with_globs;

namespace {

std::vector<std::string> differences(const Manifest& before, const Manifest& after) {
  std::vector<std::string> found;
  for_each_difference(before, after, [&](const Difference& one) {
    const char* kind = one.kind == DifferenceKind::added ? "+ " : one.kind == DifferenceKind::removed ? "- " : "~ ";
    found.push_back(kind + one.path);
    if (one.kind != DifferenceKind::added) CHECK((before.path(one.before) == (one.path == "." ? "" : one.path)));
    if (one.kind != DifferenceKind::removed) CHECK((after.path(one.after) == (one.path == "." ? "" : one.path)));
  });
  return found;
}

using Found = std::vector<std::string>;

}  // namespace

TEST_CASE("added, removed and changed paths, parents first") {
  const Manifest before = build_manifest({{"a", file_entry("1")},
                                          {"d", dir_entry()},
                                          {"d/e", dir_entry()},
                                          {"d/e/f", file_entry("f")},
                                          {"l", link_entry("a")},
                                          {"z", file_entry("z")}});
  const Manifest after = build_manifest({{"a", file_entry("2")},
                                         {"b", dir_entry()},
                                         {"b/c", file_entry("c")},
                                         {"d", file_entry("now a file")},
                                         {"l", link_entry("b")},
                                         {"z", file_entry("z")}});
  CHECK(differences(before, after) == Found{"~ a", "+ b", "+ b/c", "~ d", "- d/e", "- d/e/f", "~ l"});
  CHECK(differences(after, before) == Found{"~ a", "- b", "- b/c", "~ d", "+ d/e", "+ d/e/f", "~ l"});
  CHECK(differences(before, before).empty());
}

TEST_CASE("names whose bytes sort around the slash") {
  const Manifest before = build_manifest({{"a", dir_entry()}, {"a/x", file_entry("x")}, {"a-b", file_entry("1")}});
  const Manifest after = build_manifest({{"a", dir_entry()}, {"a-b", file_entry("1")}, {"a\xff", file_entry("2")}});
  CHECK(differences(before, after) == Found{"- a/x", "+ a\xff"});
}

TEST_CASE("random trees: exactly the paths that differ") {
  Random random(79);
  for (int round = 0; round < 200; ++round) {
    Entries before;
    Entries after;
    Found expected;
    for (const char* top : {"a", "a-", "b", "c"}) {
      before[top] = dir_entry();
      after[top] = dir_entry();
      for (const char* name : {"x", "x.y", "y", "\xff"}) {
        const std::string path = std::string(top) + "/" + name;
        const bool in_before = random.one_in(2);
        const bool in_after = random.one_in(2);
        const bool changed = random.one_in(2);
        if (in_before) before[path] = file_entry("1");
        if (in_after) after[path] = file_entry(changed ? "2" : "1");
        if (in_before && !in_after) expected.push_back("- " + path);
        if (!in_before && in_after) expected.push_back("+ " + path);
        if (in_before && in_after && changed) expected.push_back("~ " + path);
      }
    }
    CHECK(differences(build_manifest(before), build_manifest(after)) == expected);
  }
}

TEST_CASE("rules that came, went or only moved") {
  const auto compare = [](const std::vector<std::string>& before, const std::vector<std::string>& after) {
    return compare_rules(with_globs(header_of(), before), with_globs(header_of(), after));
  };
  const RuleDifferences changed = compare({"var/**", "log/**"}, {"log/**", "tmp/**"});
  CHECK(changed.removed == Found{"var/**"});
  CHECK(changed.added == Found{"tmp/**"});
  CHECK_FALSE(changed.reordered);
  CHECK(compare({"var/**", "log/**"}, {"log/**", "var/**"}).reordered);
  CHECK_FALSE(compare({"var/**"}, {"var/**"}).reordered);
  CHECK(compare({"var/**", "var/**"}, {"var/**"}).removed == Found{"var/**"});
}
