#include "daemon/exact_release.hpp"

#include <set>

#include "daemon/standing.hpp"

namespace driftd::daemon {

std::optional<std::string> find_exact_release(const KeptReleases& kept, const scanner::ScanPlan& plan,
                                              const scanner::Scope& differing, const scanner::ScanOptions& options,
                                              const std::stop_token& stop) {
  const auto record = kept.store.read(kept.tree.name, kept.tree.manifest_name);
  if (!record) return std::nullopt;
  // Two releases with the same content are the same to the host; the later one's name is the better known.
  std::set<manifests::ContentId> tried{plan.manifest->content()};
  for (const KeptManifest& one : record->kept) {
    if (one.identity == plan.manifest->identity() || stop.stop_requested()) continue;
    const auto older = load_kept(kept.store, kept.tree, one.identity, kept.policy, kept.manifest_limit);
    if (!older || !tried.insert((*older)->content()).second) continue;
    const auto exactly = is_exactly(**older, plan, differing, options, stop);
    if (exactly && *exactly) return one.release;
  }
  return std::nullopt;
}

bool is_in_no_release(const scanner::Finding& finding) {
  // What is added without any change may be in a release with other rules.
  return finding.path.size() > manifests::kMaxPath && !finding.changes.empty();
}

}  // namespace driftd::daemon
