#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/scanner/scan_site.hpp"

// A racing thread that swaps directories for links must not lead a scan out of its tree.

using namespace driftd::scanner;
using driftd::manifests::UniqueFd;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::ScanSite;
using driftd::test::TempTree;

namespace {

/// Hears whoever opens or reads one of some directories, or a file in them.
class Eavesdropper {
 public:
  Eavesdropper() : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

  void watch(const std::string& directory) const {
    REQUIRE(::inotify_add_watch(fd_.get(), directory.c_str(), IN_OPEN | IN_ACCESS | IN_ONLYDIR) >= 0);
  }

  /// Since the last call.
  [[nodiscard]] bool heard() const {
    alignas(inotify_event) char buffer[4096];
    bool any = false;
    while (::read(fd_.get(), buffer, sizeof buffer) > 0) any = true;
    return any;
  }

 private:
  UniqueFd fd_;
};

/// What may be said of a tree in which `a` and `trap`, and `new` and `new_trap`, change places all the time: what was
/// true for a moment, or that it could not be judged. Nothing of what lies outside.
const std::set<std::string> kTrue{
    "type a",
    "type trap",
    "missing a/sub",
    "added new",
    "added new_trap",
    "unverified . unstable",
    "unverified a unstable",
    "unverified a/f unstable",
    "unverified a/sub unstable",
    "unverified a/sub/g unstable",
    "unverified trap unstable",
    "unverified new unstable",
    "unverified new/inner unstable",
    "unverified new_trap unstable",
};

unsigned rounds_or(unsigned otherwise) {
  const char* text = std::getenv("DRIFTD_CASES");
  return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : otherwise;
}

}  // namespace

TEST_CASE("a directory that is swapped for a link in the midst of a walk leads nowhere") {
  const TempTree outside(TempTree::Where::memory);
  for (const char* directory : {"sub", "sub/sub"}) outside.dir(directory);
  for (const char* file : {"secret", "f", "sub/g", "sub/secret", "only_here"}) outside.file(file, "of the outside");
  const Eavesdropper eavesdropper;
  for (const char* directory : {"", "sub", "sub/sub"}) eavesdropper.watch(outside.at(directory));
  (void)driftd::test::read_whole(outside.at("sub/g"));
  REQUIRE(eavesdropper.heard());

  ScanSite site(TempTree::Where::memory);
  site.tree.dirs("a/sub");
  site.tree.file("a/f", "x");
  site.tree.file("a/sub/g", "x");
  site.tree.link("trap", outside.path());
  site.release();
  site.tree.dir("new");
  site.tree.file("new/inner", "x");
  site.tree.link("new_trap", outside.path());
  const ScanPlan plan = site.plan();
  const UniqueFd root(::open(site.tree.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::jthread swapping([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      (void)::renameat2(root.get(), "a", root.get(), "trap", RENAME_EXCHANGE);
      (void)::renameat2(root.get(), "new", root.get(), "new_trap", RENAME_EXCHANGE);
    }
  });
  Scope some;
  for (const char* path : {"a/f", "a/sub/g", "new/inner"}) some.add(*driftd::manifests::RelPath::parse(path));

  std::set<std::string> said;
  const unsigned rounds = rounds_or(10'000);
  for (unsigned round = 0; round < rounds; ++round) {
    const Scope scope = round % 4 == 3 ? some : Scope::whole();
    const auto result = scan(plan, scope, {.threads = round % 8 == 0 ? 2U : 1U}, {});
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    for (const std::string& line : lines_of(*result)) said.insert(line.substr(0, line.find(" +")));
    for (const Finding& finding : result->findings) {
      for (const std::string& below : finding.first_below) REQUIRE(!below.ends_with("secret"));
    }
  }
  swapping.request_stop();
  swapping.join();
  CHECK_FALSE(eavesdropper.heard());
  Lines wrong;
  for (const std::string& line : said) {
    if (!kTrue.contains(line)) wrong.push_back(line);
  }
  CHECK(wrong == Lines{});
  // Else the two never met.
  CHECK(said.size() > 2);
}
