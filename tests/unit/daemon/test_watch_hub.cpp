#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "daemon/watch_hub.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::test::TempTree;

TEST_CASE("polling covers nothing, and says why") {
  TempTree tree;
  WatchHub hub(WatchMode::polling, [](driftd::scanner::WatchBatch) {});
  const auto covered = hub.cover(tree.path());
  REQUIRE(covered.has_error());
  CHECK(covered.error().message == "the configuration says watch: polling");
}

TEST_CASE("after the watcher has ended nothing is called covered") {
  TempTree tree;
  WatchHub hub(WatchMode::automatic, [](driftd::scanner::WatchBatch) {});
  if (!hub.cover(tree.path())) return driftd::test::skip("the kernel grants no fanotify mark here");
  hub.lost("reading events failed");
  const auto covered = hub.cover(tree.path());
  REQUIRE(covered.has_error());
  CHECK(covered.error().message == "reading events failed");
}
