#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "daemon/history.hpp"
#include "tests/unit/support/make_release.hpp"

using driftd::daemon::Ending;
using driftd::daemon::ending_of;
using driftd::daemon::ManifestPointer;
using driftd::daemon::Standing;
using driftd::scanner::DriftSet;
using driftd::scanner::Finding;
using driftd::scanner::OpenDrift;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::make_release;

namespace {

Finding finding(const std::string& path) {
  Finding made;
  made.path = path;
  return made;
}

OpenDrift ended(const std::string& path, bool outdated = true) { return {finding(path), 1, outdated}; }

/// From v1 to v2 in place.
Standing deploy() {
  Standing standing;
  standing.previous = make_release(
      {{"changed", file_entry("1")}, {"dropped", file_entry("1")}, {"same", file_entry("1")}}, header_of("v1", 1));
  standing.manifest = make_release(
      {{"changed", file_entry("2")}, {"fresh", file_entry("2")}, {"same", file_entry("1")}}, header_of("v2", 2));
  return standing;
}

}  // namespace

TEST_CASE("drift that a new release explains is deployed, and all else resolved") {
  const Standing standing = deploy();
  for (const char* path : {"changed", "dropped", "fresh"}) {
    CAPTURE(path);
    CHECK(ending_of(standing, {}, ended(path)) == Ending::deployed);
    // Seen to be drift under the new manifest, too: it was something else, which is gone.
    CHECK(ending_of(standing, {}, ended(path, false)) == Ending::resolved);
  }
  for (const char* path : {"same", "elsewhere", "."}) {
    CAPTURE(path);
    CHECK(ending_of(standing, {}, ended(path)) == Ending::resolved);
  }
}

TEST_CASE("a deploy that writes over an edit explains its own content, and not the edit") {
  OpenDrift edited = ended("changed");
  edited.altered = true;
  CHECK(ending_of(deploy(), {}, edited) == Ending::resolved);
}

TEST_CASE("what was put back to the release before is resolved, and yet to be deployed") {
  DriftSet drift;
  ScanResult result;
  result.scope = Scope::whole();
  result.pending.push_back(finding("changed"));
  drift.apply(result, {}, 1);
  CHECK(ending_of(deploy(), drift, ended("changed")) == Ending::resolved);
  CHECK(ending_of(deploy(), drift, ended("dropped")) == Ending::deployed);
}

TEST_CASE("without a deploy in place nothing is deployed") {
  Standing standing = deploy();
  standing.previous.reset();
  CHECK(ending_of(standing, {}, ended("changed")) == Ending::resolved);
}
