#include <unistd.h>

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "scanner/plan_accounts.hpp"
#include "scanner/stat_cache.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/must.hpp"

using namespace driftd::scanner;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::must;
using driftd::test::ScanSite;
using driftd::test::TempTree;

namespace {

std::int64_t in_a_minute() { return StatCache::coarse_now() + 60; }

/// A file whose owner is listed by name, one whose group is, and one with neither, on a host that has both names.
struct NamedSite {
  NamedSite() {
    for (const char* name : {"owned", "grouped", "plain"}) site.tree.file(name, name);
    site.release();
    site.entries["owned"].attributes.uname = "app";
    site.entries["grouped"].attributes.gname = "staff";
    write("app:x:" + own_user + ":", "staff:x:" + own_group + ":");
    ScanPlan first = site.plan();
    set_accounts(first, must(Accounts::load(etc.at("passwd"), etc.at("group"))));
    plan = std::make_shared<ScanPlan>(first);
    cache = std::make_shared<StatCache>(plan->manifest->manifest().size(), in_a_minute);
  }
  void write(const std::string& passwd, const std::string& group) {
    etc.file("passwd", passwd + "\n");
    etc.file("group", group + "\n");
    ScanSite::settle();
  }
  /// As the daemon does at every scan.
  ScanResult scan(bool quick) {
    plan = must(with_current_accounts(plan));
    return must(driftd::scanner::scan(*plan, Scope::whole(), {.cache = cache, .quick = quick}, {}));
  }

  ScanSite site;
  TempTree etc;
  std::string own_user = std::to_string(::getuid());
  std::string own_group = std::to_string(::getgid());
  std::shared_ptr<const ScanPlan> plan;
  std::shared_ptr<StatCache> cache;
};

}  // namespace

TEST_CASE("a quick scan goes by the accounts that there are, and by what they were where nothing has changed") {
  NamedSite site;
  CHECK(lines_of(site.scan(false)).empty());
  CHECK(site.scan(true).hashed_files == 0);
  const std::string app = "app:x:" + site.own_user + ":";
  const std::string staff = "staff:x:" + site.own_group + ":";
  struct Row {
    const char* what;
    std::string passwd;
    std::string group;
    Lines found;
    std::uint64_t hashed;  ///< of three files; those that drifted are read every time
  };
  for (const Row& row : {
           Row{"a user comes", app + "\nother:x:4000:", staff, {}, 0},
           Row{"a group comes", app, "other:x:4000:\n" + staff, {}, 0},
           Row{"the user has another number", "app:x:4000:", staff, {"metadata owned"}, 3},
           Row{"another user goes beside", "app:x:4000:\nlast:x:1:", staff, {"metadata owned"}, 1},
           Row{"all is as it was", app, staff, {}, 3},
           Row{"the group has another number", app, "staff:x:4000:", {"metadata grouped"}, 3},
           Row{"the user is gone", "", staff, {"metadata owned"}, 3},
           Row{"a user of that name comes before", app + "\napp:x:4000:", staff, {}, 3},
       }) {
    CAPTURE(row.what);
    site.write(row.passwd, row.group);
    const ScanResult result = site.scan(true);
    CHECK(lines_of(result) == row.found);
    CHECK(result.hashed_files == row.hashed);
  }
}

TEST_CASE("the accounts are read again only where their files have changed") {
  NamedSite site;
  const auto known = site.plan;
  site.scan(true);
  CHECK(site.plan == known);
  site.etc.remove("group");
  ScanSite::settle();
  CHECK(lines_of(site.scan(true)) == Lines{"metadata grouped"});
  const auto without = site.plan;
  CHECK(without != known);
  site.scan(true);
  CHECK(site.plan == without);
  // A change that has come right after the look has the same time as one right before.
  site.etc.file("group", "staff:x:4000:\n");
  site.scan(true);
  site.etc.file("group", "staff:x:" + site.own_group + ":\n");
  CHECK(lines_of(site.scan(true)).empty());
}

TEST_CASE("accounts that cannot be read fail the look, and do not pass for those that were known") {
  NamedSite site;
  site.etc.remove("passwd");
  site.etc.dir("passwd");
  CHECK_FALSE(with_current_accounts(site.plan).has_value());
}
