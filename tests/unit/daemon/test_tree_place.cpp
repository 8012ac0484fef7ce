#include <string>

#include <doctest/doctest.h>

#include "daemon/tree_place.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::daemon;
using driftd::scanner::Exemptions;
using driftd::test::TempTree;
using Verdict = Exemptions::Verdict;

namespace {

TreeConfig tree_at(const std::string& root, const std::string& manifest) {
  TreeConfig tree;
  tree.root = root;
  tree.manifest = manifest;
  return tree;
}

Verdict verdict(const Exemptions& exemptions, const std::string& directory, const std::string& name) {
  const auto* rules = exemptions.in(directory);
  return rules == nullptr ? Verdict::none : rules->judge(name);
}

}  // namespace

TEST_CASE("a tree is found where its links lead, and one that is gone where it is written") {
  const TempTree temp;
  const std::string base = std::filesystem::canonical(temp.path());
  temp.dirs("releases/1");
  temp.link("current", "releases/1");
  const TreeConfig tree = tree_at(base + "/current", base + "/current/.driftd/manifest");
  const std::string manifest = base + "/releases/1/.driftd/manifest";
  CHECK(find_place(tree) == TreePlace{base + "/releases/1", manifest, manifest, false, true});
  CHECK(written_place(tree) == TreePlace{tree.root, tree.manifest, tree.manifest, false, false});
  temp.remove("current");
  CHECK(find_place(tree) == TreePlace{tree.root, tree.manifest, tree.manifest, false, true});
}

TEST_CASE("a manifest that is a link is exempt under its own name and where it lies") {
  const TempTree temp;
  const std::string base = std::filesystem::canonical(temp.path());
  temp.dirs("app/.driftd");
  temp.dirs("store");
  temp.file("app/.driftd/v1.manifest", "");
  temp.file("store/v1.manifest", "");
  for (const auto& [target, at] : {std::pair<std::string, std::string>{"v1.manifest", "v1.manifest"},
                                   std::pair<std::string, std::string>{base + "/store/v1.manifest", ""}}) {
    temp.link("app/.driftd/manifest", target);
    const TreePlaces places{{"app", find_place(tree_at(base + "/app", base + "/app/.driftd/manifest"))}};
    const Exemptions exemptions = exemptions_for("app", places);
    CHECK(verdict(exemptions, ".driftd", "manifest") == Verdict::manifest);
    CHECK(verdict(exemptions, ".driftd", "manifest.minisig") == Verdict::manifest);
    CHECK(verdict(exemptions, ".driftd", "v1.manifest") == (at.empty() ? Verdict::none : Verdict::manifest));
    temp.remove("app/.driftd/manifest");
  }
}

TEST_CASE("other trees' roots and all manifests are exempt where they lie inside") {
  const TreePlaces places{{"outer", {"/srv/app", "/srv/app/.driftd/manifest", "", false, true}},
                          {"inner", {"/srv/app/plugins/x", "/srv/app/etc/x.manifest", "", false, true}},
                          {"other", {"/srv/application", "/etc/other.manifest", "", false, true}}};
  const Exemptions outer = exemptions_for("outer", places);
  CHECK(verdict(outer, ".driftd", "manifest") == Verdict::manifest);
  CHECK(verdict(outer, "plugins", "x") == Verdict::nested);
  CHECK(verdict(outer, "etc", "x.manifest") == Verdict::manifest);
  CHECK(verdict(outer, ".", "etc") == Verdict::passage);
  CHECK(verdict(outer, ".", "application") == Verdict::none);
  CHECK(exemptions_for("inner", places) == Exemptions());
  CHECK(exemptions_for("other", places) == Exemptions());
  CHECK(outer != exemptions_for("other", places));
}
