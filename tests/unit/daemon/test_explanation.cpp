#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/report.hpp"
#include "scanner/compare.hpp"
#include "tests/unit/daemon/report_samples.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/edit_facts.hpp"

using namespace driftd::daemon;
using namespace driftd::scanner;
using namespace driftd::test;
using driftd::manifests::RelPath;

namespace {

/// A tree on which each rule has decided about something. Scans of it are real; what differs from run to run is not
/// shown.
struct ExplainedSite : ScanSite {
  ExplainedSite() {
    put("config/settings.py", "DEBUG = False\n");
    put("bin/run", "#!/bin/sh\n", 0755);
    put("gone/1", "1");
    put("gone/2/3", "3");
    put("lib/a.py", "a");
    put("lib/cache/stamp", "s");
    put("made", "by the deploy");
    tree.link("current", "lib");
    tree.dir("spool");
    release();
    entries["spool"] = ignored_dir_entry();
    entries["perhaps"] = optional_entry();
    entries["made"].size.reset();
    entries["made"].blake3.reset();
    entries["made"].sha256.reset();
    entries["lib/a.py"].attributes.mode = 0644;
    header = with_globs(header, {"**/cache/**"});
    header.source = "git+https://git.example/myapp@9fceb02";
    header.artifact = "myapp-9fceb02.tar.gz sha256:abc";
    exemptions.add_manifest(*RelPath::parse("meta/myapp.manifest"));
    exemptions.add_nested_tree(*RelPath::parse("plugins/inner"));

    put("config/settings.py", "DEBUG = True\n");
    tree.mode("bin/run", 0777);
    tree.remove("gone");
    tree.remove("current");
    tree.link("current", "bin");
    tree.mode("lib/a.py", 0600);
    put("lib/cache/new", "n");
    put("spool/job", "j");
    put("new/deep/debug.py", "x");
    put("meta/myapp.manifest", "m");
    put("plugins/inner/file", "f");
  }

  void put(const std::string& path, const std::string& content, mode_t mode = 0644) const {
    std::filesystem::create_directories(std::filesystem::path(tree.at(path)).parent_path());
    tree.file(path, content, mode);
  }

  [[nodiscard]] TreeReport look(const std::string& path) const {
    TreeReport report;
    report.name = "myapp";
    report.root = "/srv/myapp";
    const auto plan = std::make_shared<ScanPlan>(this->plan());
    report.manifest = plan->manifest;
    report.plan = plan;
    path == "." ? report.asked.add_whole() : report.asked.add(*RelPath::parse(path));
    report.scan = must(scan(*plan, report.asked, {}, {}));
    for (Finding& finding : report.scan->findings) {
      if (finding.changed_at) finding.changed_at = kNow - 200;
      if (finding.actual.unpack().owner) edit(finding.actual)->owner = "1000";
      if (finding.actual.unpack().group) edit(finding.actual)->group = "100";
    }
    return report;
  }

  [[nodiscard]] std::string explain(const std::string& path) const { return explain(look(path)); }
  [[nodiscard]] static std::string explain(const TreeReport& tree) {
    CheckReport report = report_of({tree});
    report.again = "--config site.yaml ";
    return steady(explanation(report, Colour::none));
  }
};

}  // namespace

TEST_CASE("what is explained about a path") {
  const ExplainedSite site;
  std::string text;
  for (const char* path :
       {"config/settings.py", "bin/run", "lib/a.py", "gone/2/3", "current", "new/deep/debug.py", "lib/cache/stamp",
        "lib/cache/new", "spool", "spool/job", "made", "meta", "meta/myapp.manifest", "config", "."}) {
    text += "$ driftd explain " + std::string(path) + "\n" + site.explain(path) + "\n";
  }
  check_golden("explanation.txt", text);
}

TEST_CASE("each reason why nothing is known is said in words, with a next step where there is one") {
  const ExplainedSite site;
  std::string text;
  for (const UnverifiedReason reason : kAllUnverifiedReasons) {
    TreeReport tree = site.look("made");
    tree.scan->unverified = {{"made", reason, reason == UnverifiedReason::io ? 5 : 0, 0}};
    text += ExplainedSite::explain(tree) + "\n";
  }
  check_golden("explanation_unverified.txt", text);
}

TEST_CASE("a path that a deploy has not reached is pending, not drift") {
  const ExplainedSite site;
  TreeReport tree = site.look("config/settings.py");
  std::swap(tree.scan->findings, tree.scan->pending);
  tree.deploying_from = "v102";
  const std::string text = ExplainedSite::explain(tree);
  CHECK(text.starts_with("/srv/myapp/config/settings.py  UNKNOWN  pending\n"));
  CHECK(holds(text, "  pending   still as v102 has it, and a deploy is under way\n"));
  CHECK(text.ends_with("Next: wait for the deploy, then run this again\n"));
}

TEST_CASE("an optional path that is not there, and additions that do not count") {
  ExplainedSite site;
  TreeReport absent = site.look("perhaps");
  absent.absent.insert(*RelPath::parse("perhaps"));
  CHECK(holds(ExplainedSite::explain(absent), "  actual    nothing, which is allowed\n"));
  site.report_additions = false;
  const std::string text = site.explain("new/deep/debug.py");
  CHECK(text.starts_with("/srv/myapp/new/deep/debug.py  CLEAN\n"));
  CHECK(holds(text, "  rule      not listed; the configuration says `additions: ignore`\n"));
}

TEST_CASE("where nothing could be judged, that is what is explained") {
  TreeReport refused;
  refused.name = "myapp";
  refused.root = "/srv/myapp";
  refused.asked.add(*RelPath::parse("a"));
  refused.problems = {{"manifest", "signature", "/srv/myapp.manifest.minisig: no signature"}};
  CHECK(ExplainedSite::explain(refused) ==
        "/srv/myapp/a  UNKNOWN\n  problem   /srv/myapp.manifest.minisig: no signature\n  tree      myapp, /srv/myapp\n"
        "Next: put that right, then run this again\n");
}

TEST_CASE("a tree that is an older release as a whole is explained at its root") {
  const ExplainedSite site;
  TreeReport tree = site.look(".");
  tree.scan->findings = {other_release("v103", "v102")};
  const std::string text = ExplainedSite::explain(tree);
  CHECK(holds(text, "  expected  exactly v103\n  actual    exactly v102\n"));
  CHECK(holds(text, "  differs   is exactly v102, expected v103\n"));
  CHECK(holds(text, "Next: deploy the release that is expected"));
}

TEST_CASE("an explanation lets no hostile name through") {
  ExplainedSite site;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    CAPTURE(byte);
    const std::string name = "a" + std::string(1, static_cast<char>(byte)) + "b";
    TreeReport tree = site.look("made");
    tree.asked = {};
    tree.asked.add(*RelPath::parse(name));
    tree.scan->scope = tree.asked;
    tree.scan->findings = {finding(name, DriftKind::added)};
    tree.scan->unverified = {{name, UnverifiedReason::unstable, 0, 0}, {name + "/x", UnverifiedReason::io, 5, 0}};
    check_harmless(ExplainedSite::explain(tree));
  }
}
