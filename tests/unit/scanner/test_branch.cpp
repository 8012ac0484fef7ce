#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/branch.hpp"

using driftd::scanner::Branch;
using driftd::scanner::DirectoryNames;

TEST_CASE("a branch knows its path, from the root or from where it begins") {
  const auto root = std::make_shared<const Branch>(nullptr, ".");
  CHECK(root->path() == ".");
  const auto a = std::make_shared<const Branch>(root, "a");
  CHECK(a->path() == "a");
  CHECK(Branch(a, "b").path() == "a/b");
  CHECK(Branch(a, ".b").path() == "a/.b");
  CHECK(Branch(root, "..").path() == "..");  // no directory's name, but bytes all the same
  const auto deep = std::make_shared<const Branch>(nullptr, "x/y");
  CHECK(deep->path() == "x/y");
  CHECK(Branch(deep, "z").path() == "x/y/z");
  CHECK(Branch(deep, "z").above() == deep);
}

TEST_CASE("a very long branch goes without recursion, whoever holds parts of it") {
  for (const bool is_shared : {false, true}) {
    std::vector<Branch::Pointer> held;
    auto branch = std::make_shared<const Branch>(nullptr, "top");
    for (int i = 0; i < 500'000; ++i) {
      branch = std::make_shared<const Branch>(branch, "x");
      if (is_shared && i % 100'000 == 0) held.push_back(branch);
    }
    branch.reset();
    for (const auto& one : held) CHECK(one->path().starts_with("top/x"));
  }
}

TEST_CASE("names come out as they went in, the last first") {
  DirectoryNames names;
  CHECK(names.empty());
  names.add("one");
  names.add("two words");
  names.add("\n");
  CHECK(names.take_last() == "\n");
  CHECK(names.take_last() == "two words");
  names.add("x");
  CHECK(names.take_last() == "x");
  CHECK_FALSE(names.empty());
  CHECK(names.take_last() == "one");
  CHECK(names.empty());
  CHECK_FALSE(names.is_full());
  for (int i = 0; i < 1000; ++i) names.add(std::string(100, 'x'));
  CHECK(names.is_full());
}
