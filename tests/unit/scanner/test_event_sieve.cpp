#include <fcntl.h>

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/event_sieve.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::scanner;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

using Names = std::vector<std::string>;

WatchedTree watched(const std::string& root, KnownFiles known = {}) {
  const TreeRoot opened = must(TreeRoot::open(root));
  return {root, opened.identity, must(handle_of(opened.fd.get(), "")),
          std::make_shared<const DirtyPaths>(root, opened.identity, must(opened.file_system())), std::move(known)};
}

WatchEvent event_in(const std::string& directory, const std::string& name) {
  const TreeRoot opened = must(TreeRoot::open(directory));
  const auto handle = must(handle_of(opened.fd.get(), ""));
  return {must(opened.file_system()), handle.type, handle.bytes, name, {}};
}

/// The names of the events that each tree is told of.
std::vector<Names> told(const std::vector<WatchEvent>& events, const std::vector<WatchedTree>& trees) {
  std::vector<Names> all;
  for (const auto& theirs : sieve(events, trees)) {
    Names& names = all.emplace_back();
    for (const WatchEvent& event : theirs) names.push_back(event.name);
  }
  return all;
}

bool handles_work(const TempTree& tree) {
  const TreeRoot root = must(TreeRoot::open(tree.path()));
  const auto handle = handle_of(root.fd.get(), "");
  return handle && open_by_handle(root.fd.get(), *handle, O_PATH);
}

}  // namespace

TEST_CASE("each tree is told of what may concern it, and of nothing outside") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("up/outer/inner/d");
  tree.dirs("up/outer-not/d");
  tree.dirs("other");
  std::vector<WatchedTree> trees = {watched(tree.at("up/outer")), watched(tree.at("up/outer/inner")),
                                    watched(tree.at("other"))};
  const std::vector<WatchEvent> events = {
      event_in(tree.at("up/outer/inner/d"), "deep"),
      event_in(tree.at("up/outer"), "."),
      event_in(tree.at("up/outer-not/d"), "beside"),
      event_in(tree.at("up"), "outer"),
      event_in(tree.at("other"), "x"),
      event_in(tree.at("up/outer/inner/d"), "again"),
  };
  const std::vector<Names> as_they_stand = {{"deep", ".", "again"}, {"deep", "again"}, {"x"}};
  CHECK(told(events, trees) == as_they_stand);

  SUBCASE("by where directories and roots are now") {
    tree.rename("up", "moved");
    CHECK(told(events, trees) == as_they_stand);
    tree.rename("moved/outer-not", "other/in");
    CHECK(told(events, trees)[2] == Names{"beside", "x"});
    tree.rename("moved/outer/inner", "inner");
    CHECK(told(events, trees) == std::vector<Names>{{"."}, {"deep", "again"}, {"beside", "x"}});
  }
  SUBCASE("a directory that is gone concerns nobody") {
    tree.remove("up/outer-not");
    tree.remove("up/outer/inner/d");
    CHECK(told(events, trees) == std::vector<Names>{{"."}, {}, {"x"}});
  }
  SUBCASE("where a root is gone, nobody knows what concerns the tree") {
    tree.remove("other");
    CHECK(told(events, trees)[0] == as_they_stand[0]);
    CHECK(told(events, trees)[2].size() == events.size());
  }
  SUBCASE("nor where no root is at its place") {
    for (auto& one : trees) one.place = tree.at("none");
    for (const Names& names : told(events, trees)) CHECK(names.size() == events.size());
  }
  SUBCASE("one root that is at its place is enough") {
    trees[0].place = tree.at("none");
    trees[1].place = tree.at("other");
    CHECK(told(events, trees) == as_they_stand);
  }
  SUBCASE("another file system") {
    auto foreign = events;
    for (WatchEvent& event : foreign) event.file_system[0] ^= 1;
    CHECK(told(foreign, trees) == std::vector<Names>(3));
  }
}

TEST_CASE("a file that a tree knows concerns it by whatever name it is touched") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("one");
  tree.dirs("two");
  tree.dirs("outside");
  tree.file("one/a", "x");
  tree.hard_link("one/a", "outside/link");
  tree.file("outside/other", "x");
  const auto manifest = driftd::test::make_release(driftd::test::record(tree.at("one")));
  const auto target = must(handle_of(AT_FDCWD, tree.at("outside/link").c_str()));
  const KnownFiles known(manifest, {{file_number(target), manifest->manifest().find("a").value()}});
  WatchEvent link = event_in(tree.at("outside"), "link");
  link.target = target;
  WatchEvent nameless = link;
  nameless.handle.clear();
  nameless.name.clear();
  WatchEvent other = event_in(tree.at("outside"), "other");
  other.target = must(handle_of(AT_FDCWD, tree.at("outside/other").c_str()));
  CHECK(told({link, nameless, other}, {watched(tree.at("one"), known), watched(tree.at("two"))}) ==
        std::vector<Names>{{"link", ""}, {}});
}
