#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/inquiries.hpp"
#include "daemon/path_arguments.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::manifests::ErrorCode;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::TempTree;
using namespace std::chrono_literals;

namespace {

using Paths = std::vector<std::string>;

/// What is asked of each tree, as `path`, `path <- PATH`, with a `?` where that is a guess, and `directory <- PATH
/// (where it is: why it is not known, ...)`.
std::vector<Paths> shown(const std::vector<AskedPaths>& asked) {
  std::vector<Paths> all;
  for (const AskedPaths& of_tree : asked) {
    Paths paths;
    if (of_tree.scope.is_whole()) paths.emplace_back(".");
    for (const auto& path : of_tree.scope.paths()) paths.push_back(path.str());
    for (const auto& [path, argument, is_guess] : of_tree.named)
      paths.push_back(path + " <- " + argument + (is_guess ? "?" : ""));
    for (const auto& [directory, detour] : of_tree.detours)
      paths.push_back(directory + " <- " + detour.path + " (" + detour.at + ": " + detour.unknown +
                      (detour.leads_away ? "" : ", same directory") + ")");
    all.push_back(std::move(paths));
  }
  return all;
}

TreePlace known(const std::string& root) { return {root, root + "/manifest", "", false, true}; }
TreePlace silent(const std::string& root) { return {root, root + "/manifest", "", false, false}; }

}  // namespace

TEST_CASE("what another process finds out of paths is what is found out here") {
  const TempTree temp;
  const std::string base = std::filesystem::canonical(temp.path());
  temp.dirs("outer/inner/d");
  temp.dirs("other");
  temp.link("outer/link", "../other");
  temp.link("away", "outer/inner");
  temp.link("beside", "other");
  const std::vector<TreePlace> trees{known(base + "/outer"), known(base + "/outer/inner"), known(base + "/other")};
  for (const Paths& paths : {Paths{base + "/outer/f"}, Paths{base + "/outer/inner/d/../x\n", base + "/other"},
                             Paths{base + "/outer/link/x"}, Paths{base + "/outer/link/../f", base + "/outer/link/"},
                             Paths{base + "/away/../outer/f", base + "/beside/../outer/f"}, Paths{"f", "g/"},
                             Paths{base + "/outer/./", base + "/outer/inner/none/none"}}) {
    CAPTURE(paths.front());
    const auto here = shown(must(asked_paths(trees, paths)));
    CHECK((shown(must(paths_told(ask_apart(inquire_paths(trees, paths, 10s)), trees.size()))) == here));
  }
  const auto nowhere = paths_told(ask_apart(inquire_paths(trees, {base + "/none"}, 10s)), trees.size());
  check_error(nowhere, ErrorCode::usage, "lies in no tree that is checked");
}

TEST_CASE("where links are unknown a path lies where it is written, in the innermost tree") {
  const TempTree temp;
  const std::string base = std::filesystem::canonical(temp.path());
  temp.dirs("outer/inner");
  temp.link("link", "outer");
  for (const auto& place : {known, silent}) {
    const std::vector<TreePlace> trees{place(base + "/outer"), place(base + "/outer/inner"), place(base + "/other")};
    const auto scopes = [](const std::vector<AskedPaths>& asked) {
      std::vector<Paths> all;
      for (const AskedPaths& of_tree : asked) {
        Paths& paths = all.emplace_back();
        for (const auto& path : of_tree.scope.paths()) paths.push_back(path.str());
      }
      return all;
    };
    const auto ask = [&](const Paths& paths) { return asked_paths(trees, paths, Links::unknown); };
    CHECK((scopes(must(ask({base + "/outer/f", base + "/outer/inner/f"}))) == std::vector<Paths>{{"f"}, {"f"}, {}}));
    CHECK((shown(must(ask({base + "/outer/inner/../inner"})))[1].front() == "."));
    CHECK((scopes(must(ask({"f"}))) == std::vector<Paths>{{"f"}, {"f"}, {"f"}}));
    check_error(ask({base + "/link/f"}), ErrorCode::usage, "lies in no tree");
  }
}
