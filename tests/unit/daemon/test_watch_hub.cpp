#include <doctest/doctest.h>

#include "daemon/watch_hub.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::test::TempTree;

TEST_CASE("polling covers nothing, says why, and still knows the root") {
  TempTree tree;
  tree.dirs("root");
  WatchHub hub(WatchMode::polling, [](driftd::scanner::WatchBatch) {});
  const Coverage covered = hub.cover(tree.at("root"));
  CHECK(covered.events == nullptr);
  CHECK(covered.refusal == "the configuration says watch: polling");
  CHECK(hub.still_holds(tree.at("root"), covered));
  tree.rename("root", "before");
  CHECK_FALSE(hub.still_holds(tree.at("root"), covered));
  tree.dirs("root");
  CHECK_FALSE(hub.still_holds(tree.at("root"), covered));
}

TEST_CASE("a root that is not there is not covered, until it is") {
  TempTree tree;
  WatchHub hub(WatchMode::automatic, [](driftd::scanner::WatchBatch) {});
  const Coverage covered = hub.cover(tree.at("root"));
  CHECK(covered.events == nullptr);
  CHECK(covered.refusal == tree.at("root") + ": No such file or directory");
  CHECK(hub.still_holds(tree.at("root"), covered));
  tree.dirs("root");
  CHECK_FALSE(hub.still_holds(tree.at("root"), covered));
}

TEST_CASE("after the watcher has ended nothing is called covered") {
  TempTree tree;
  WatchHub hub(WatchMode::automatic, [](driftd::scanner::WatchBatch) {});
  const Coverage before = hub.cover(tree.path());
  if (!before.events) return driftd::test::skip("the kernel grants no fanotify mark here");
  CHECK(hub.still_holds(tree.path(), before));
  hub.lost("reading events failed");
  CHECK_FALSE(hub.still_holds(tree.path(), before));
  const Coverage covered = hub.cover(tree.path());
  CHECK(covered.events == nullptr);
  CHECK(covered.refusal == "reading events failed");
}
