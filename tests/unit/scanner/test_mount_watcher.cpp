#include <set>
#include <string>

#include <doctest/doctest.h>

#include "scanner/mount_watcher.hpp"
#include "tests/unit/support/must.hpp"

using namespace driftd::scanner;
using driftd::test::must;

namespace {

using Points = std::set<std::string>;
using Numbers = std::set<std::uint64_t>;

const std::string kRoot = "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n";
const std::string kData = "42 25 7:0 / /srv/data rw,relatime shared:9 - ext4 /dev/loop0 rw\n";

}  // namespace

TEST_CASE("mounts that came, went or have other options") {
  struct Case {
    std::string before;
    std::string after;
    Numbers mounts;
    Points points;
  };
  const std::string read_only = "42 25 7:0 / /srv/data ro,relatime shared:9 - ext4 /dev/loop0 rw\n";
  const std::string again = "43 25 7:0 / /srv/data rw,relatime shared:9 - ext4 /dev/loop0 rw\n";
  for (const Case& one : {
           Case{"", "", {}, {}},
           Case{kRoot + kData, kRoot + kData, {}, {}},
           Case{kRoot + kData, kData + kRoot, {}, {}},
           Case{kRoot, kRoot + kData, {42}, {"/srv/data"}},
           Case{kRoot + kData, kRoot, {42}, {"/srv/data"}},
           Case{kRoot + kData, kRoot + read_only, {42}, {"/srv/data"}},
           Case{kRoot + kData, kRoot + again, {42, 43}, {"/srv/data"}},
           // One over the other at the same place.
           Case{kRoot + kData, kRoot + kData + again, {43}, {"/srv/data"}},
           Case{"", kRoot, {25}, {"/"}},
           // As the kernel writes a space, a tab, a newline, a backslash and a number sign.
           Case{"", R"(7 1 0:1 / /a\040b\011c\012d\134e\0431 rw - tmpfs none rw)", {7}, {"/a b\tc\nd\\e#1"}},
           Case{"", R"(7 1 0:1 / /ends\04)", {7}, {R"(/ends\04)"}},
           Case{"", "7", {7}, {""}},
           Case{"", "\n\n", {}, {}},
       }) {
    CAPTURE(one.before);
    CAPTURE(one.after);
    const MountChanges changes = compare_mounts(one.before, one.after);
    CHECK(changes.mounts == one.mounts);
    CHECK(changes.points == one.points);
    CHECK(changes.failure.empty());
  }
}

TEST_CASE("the watcher ends when it is told to, though nothing was mounted") {
  const auto watcher = must(MountWatcher::start([](const MountChanges&) {}));
  CHECK(watcher != nullptr);
}
