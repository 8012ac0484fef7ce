#include <string>

#include <doctest/doctest.h>

#include "daemon/exact_release.hpp"
#include "manifests/rel_path.hpp"

using driftd::daemon::is_in_no_release;
using driftd::scanner::Change;
using driftd::scanner::DriftKind;
using driftd::scanner::Finding;

TEST_CASE("what no release can hold is longer than any lists, and more than an addition that rules may excuse") {
  for (const bool is_long : {false, true}) {
    for (const bool has_privilege : {false, true}) {
      Finding finding;
      finding.kind = DriftKind::added;
      finding.path = std::string(driftd::manifests::kMaxPath + (is_long ? 1 : 0), 'a');
      if (has_privilege) finding.changes.add(Change::mode);
      CAPTURE(is_long);
      CAPTURE(has_privilege);
      CHECK(is_in_no_release(finding) == (is_long && has_privilege));
    }
  }
}
