#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/tree_state.hpp"
#include "tests/unit/support/make_release.hpp"

/// A tree's state, taken through what a daemon would tell it.
namespace driftd::daemon::tree_state_script {

using driftd::manifests::Error;
using driftd::manifests::RelPath;
using driftd::scanner::Finding;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::scanner::UnverifiedReason;
using News = TreeState::News;

inline constexpr std::int64_t kNow = 1'763'720'000;
inline constexpr TreeState::BootTime kBoot = std::chrono::hours(1);

inline TreeConfig config() {
  TreeConfig made;
  made.name = "myapp";
  made.labels = {{"team", "web"}};
  return made;
}

inline Scope scope_of(const std::vector<std::string>& paths) {
  Scope scope;
  for (const std::string& path : paths) scope.add(*RelPath::parse(path));
  return scope;
}

inline ScanResult found(Scope scope, const std::vector<std::string>& paths,
                        const std::vector<std::string>& unverified = {}) {
  ScanResult result;
  result.scope = std::move(scope);
  for (const std::string& path : paths) {
    Finding finding;
    finding.path = path;
    result.findings.push_back(finding);
  }
  for (const std::string& path : unverified) result.unverified.push_back({path, UnverifiedReason::permission, 0, 0});
  return result;
}

inline ManifestPointer release(std::uint64_t sequence, const std::string& content = "x") {
  return test::make_release({{"file", test::file_entry(content)}},
                            test::header_of("v" + std::to_string(sequence), sequence));
}

/// In force from now on. `previous`: by a deploy in place that began at `since`.
inline News take(TreeState& state, ManifestPointer manifest, ManifestPointer previous = nullptr,
                 std::int64_t since = kNow) {
  Standing standing;
  standing.manifest = std::move(manifest);
  standing.previous = std::move(previous);
  if (standing.previous) standing.transition = Transition{standing.previous->identity(), since};
  return state.take(standing, kNow, kBoot);
}

/// What is in force stays; what lies on disk is refused.
inline News refuse(TreeState& state, Error problem, std::optional<Error> distrust = {}) {
  Standing standing = state.standing();
  standing.problem = std::move(problem);
  standing.distrust = std::move(distrust);
  return state.take(standing, kNow, kBoot);
}

inline void scan_whole(TreeState& state, const std::vector<std::string>& paths, std::int64_t now = kNow,
                       TreeState::BootTime boot = kBoot) {
  state.scan_started();
  state.full_scan_done(found(Scope::whole(), paths), now, boot, std::chrono::seconds(2));
}

inline TreeSnapshot look(const TreeState& state) { return state.snapshot(kNow, kBoot); }

using Reasons = std::set<UnknownReason>;

inline std::set<std::string> open_paths(const TreeState& state) {
  std::set<std::string> paths;
  for (const auto& [path, open] : state.drift().open()) paths.insert(path);
  return paths;
}
using Paths = std::set<std::string>;

}  // namespace driftd::daemon::tree_state_script
