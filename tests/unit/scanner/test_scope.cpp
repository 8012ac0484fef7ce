#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/scope.hpp"
#include "tests/unit/support/random_paths.hpp"

using driftd::manifests::RelPath;
using driftd::scanner::Scope;

namespace {

Scope scope_of(const std::vector<std::string>& paths) {
  Scope scope;
  for (const std::string& path : paths) scope.add(*RelPath::parse(path));
  return scope;
}

std::set<std::string> paths_of(const Scope& scope) {
  std::set<std::string> paths;
  for (const RelPath& path : scope.paths()) paths.insert(path.str());
  return paths;
}

bool is_at_or_below(const std::string& path, const std::string& top) {
  return path == top || path.starts_with(top + "/");
}

}  // namespace

TEST_CASE("a scope swallows what lies below, and nothing beside") {
  struct Case {
    std::vector<std::string> added;
    std::set<std::string> left;
  };
  for (const Case& one : std::vector<Case>{
           {{}, {}},
           {{"a", "a"}, {"a"}},
           {{"a/b", "a"}, {"a"}},
           {{"a", "a/b"}, {"a"}},
           {{"a/b/c", "a/b", "a-b", "a/d", "ab", "a"}, {"a", "a-b", "ab"}},
           {{"a.b/c", "a/c", "a\x01/c", "a"}, {"a", "a.b/c", "a\x01/c"}},
           {{"\xff/x", "\xff"}, {"\xff"}},
       }) {
    CHECK(paths_of(scope_of(one.added)) == one.left);
  }
}

TEST_CASE("the root is covered by the whole tree only") {
  CHECK(Scope::whole().covers("."));
  CHECK(Scope::whole().covers("a/b"));
  CHECK(Scope::whole().is_whole());
  CHECK_FALSE(Scope::whole().empty());
  CHECK_FALSE(scope_of({"a", "b"}).covers("."));
  CHECK_FALSE(Scope().covers("."));
  CHECK(Scope().empty());
  CHECK_FALSE(scope_of({"a"}).empty());
}

TEST_CASE("the whole tree swallows everything, before and after") {
  Scope scope = scope_of({"a/b", "c"});
  scope.add_all(Scope::whole());
  CHECK(scope.is_whole());
  CHECK(scope.paths().empty());
  scope.add(*RelPath::parse("d"));
  scope.add_all(scope_of({"e"}));
  CHECK(scope.is_whole());
  CHECK(scope.paths().empty());
}

TEST_CASE("a scope is the set of subtrees that were put in, whatever the order") {
  std::mt19937 random(20261121);
  const std::vector<std::string> names{"a", "b", "a-", "a.", "\xff"};
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  const auto some_path = [&] {
    std::string path = names[below(names.size())];
    for (std::size_t depth = below(4); depth > 0; --depth) path += "/" + names[below(names.size())];
    return path;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> added;
    for (std::size_t count = below(12); count > 0; --count) added.push_back(some_path());
    Scope scope = scope_of({});
    // Half of them one by one, half by way of another scope.
    const auto middle = added.begin() + static_cast<std::ptrdiff_t>(added.size() / 2);
    for (auto at = added.begin(); at != middle; ++at) scope.add(*RelPath::parse(*at));
    scope.add_all(scope_of({middle, added.end()}));

    for (int look = 0; look < 20; ++look) {
      const std::string path = some_path();
      bool expected = false;
      for (const std::string& top : added) expected = expected || is_at_or_below(path, top);
      CAPTURE(path);
      CHECK(scope.covers(path) == expected);
    }
    const auto left = paths_of(scope);
    for (const std::string& one : left) {
      for (const std::string& other : left) CHECK((one == other || !is_at_or_below(one, other)));
    }
  }
}

TEST_CASE("a scope holds what a plain list of subtrees would, with bytes that sort before and after the slash") {
  driftd::test::RandomPaths random;
  const auto below = [&](std::size_t bound) { return random.below(bound); };
  const auto some_path = [&] { return random.next(7); };
  for (int round = 0; round < 2'000; ++round) {
    Scope scope;
    std::set<std::string> expected;
    for (std::size_t count = below(15); count > 0; --count) {
      const std::string path = some_path();
      const auto covers = [&](const std::string& top) { return is_at_or_below(path, top); };
      const bool is_covered = std::any_of(expected.begin(), expected.end(), covers);
      CAPTURE(path);
      CHECK(scope.covers(path) == is_covered);
      if (!is_covered) {
        std::erase_if(expected, [&](const std::string& one) { return is_at_or_below(one, path); });
        expected.insert(path);
      }
      scope.add(*RelPath::parse(path));
      CHECK(paths_of(scope) == expected);
    }
  }
}

TEST_CASE("thousands of very deep paths are no burden") {
  std::string deep = "cache";
  for (int level = 0; level < 3'000; ++level) deep += "/directory";
  Scope scope;
  for (int file = 0; file < 2'000; ++file) scope.add(*RelPath::parse(deep + "/" + std::to_string(file)));
  CHECK(scope.paths().size() == 2'000);
  CHECK_FALSE(scope.covers(deep));
  CHECK(scope.covers(deep + "/1999/x"));
  scope.add(*RelPath::parse(deep));
  CHECK(paths_of(scope) == std::set<std::string>{deep});
}
