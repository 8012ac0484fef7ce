#include <string>

#include <doctest/doctest.h>

#include "scanner/exemptions.hpp"

using driftd::manifests::RelPath;
using driftd::scanner::Exemptions;
using Verdict = Exemptions::Verdict;

namespace {

Verdict judge(const Exemptions& exemptions, const std::string& directory, const std::string& name) {
  const Exemptions::Directory* rules = exemptions.in(directory);
  return rules == nullptr ? Verdict::none : rules->judge(name);
}

}  // namespace

TEST_CASE("no rules concern no directory") {
  const Exemptions exemptions;
  CHECK(exemptions.in(".") == nullptr);
  CHECK(exemptions.in("a") == nullptr);
}

TEST_CASE("exactly the manifest, its signatures, the nested roots and the ways to them are exempt") {
  Exemptions exemptions;
  exemptions.add_manifest(*RelPath::parse(".driftd/app.manifest"));
  exemptions.add_manifest(*RelPath::parse("top.manifest"));
  exemptions.add_nested_tree(*RelPath::parse("srv/b/c"));
  exemptions.add_nested_tree(*RelPath::parse("nested"));
  struct Case {
    std::string directory;
    std::string name;
    Verdict verdict;
  };
  for (const Case& one : {
           Case{".", ".driftd", Verdict::passage},
           Case{".driftd", "app.manifest", Verdict::manifest},
           Case{".driftd", "app.manifest.minisig", Verdict::manifest},
           Case{".driftd", "app.manifest.minisig.0123456789ABCDEF", Verdict::manifest},
           Case{".driftd", "app.manifest.minisig.0123456789abcdef", Verdict::none},
           Case{".driftd", "app.manifest.minisig.x", Verdict::none},
           Case{".driftd", "app.manifest.minisig.", Verdict::none},
           Case{".driftd", "app.manifest~", Verdict::none},
           Case{".driftd", "other.manifest", Verdict::none},
           Case{".driftd", ".driftd", Verdict::none},
           Case{".", "app.manifest", Verdict::none},
           Case{".", "top.manifest", Verdict::manifest},
           Case{".", "nested", Verdict::nested},
           Case{".", "srv", Verdict::passage},
           Case{"srv", "b", Verdict::passage},
           Case{"srv/b", "c", Verdict::nested},
           Case{"srv/b", "b", Verdict::none},
           Case{"srv", "c", Verdict::none},
           Case{"nested", "nested", Verdict::none},
       }) {
    CAPTURE(one.directory);
    CAPTURE(one.name);
    CHECK(judge(exemptions, one.directory, one.name) == one.verdict);
  }
  CHECK(exemptions.in("srv/b/c") == nullptr);
  CHECK(exemptions.in("etc") == nullptr);
}

TEST_CASE("a nested tree hides even what another rule names") {
  Exemptions exemptions;
  exemptions.add_nested_tree(*RelPath::parse("a"));
  exemptions.add_nested_tree(*RelPath::parse("a/b"));
  exemptions.add_manifest(*RelPath::parse("a"));
  CHECK(judge(exemptions, ".", "a") == Verdict::nested);
}
