#include "daemon/snapshot.hpp"

#include <algorithm>
#include <cstdlib>

namespace driftd::daemon {

std::string_view to_string(UnknownReason reason) {
  switch (reason) {
    case UnknownReason::unverified: return "unverified";
    case UnknownReason::manifest: return "manifest";
    case UnknownReason::key_revoked: return "key_revoked";
    case UnknownReason::scanning: return "scanning";
    case UnknownReason::deploying: return "deploying";
    case UnknownReason::overdue: return "overdue";
  }
  std::abort();
}

std::uint64_t TreeSnapshot::drifted_paths() const {
  std::uint64_t count = 0;
  for (const auto& [kind, paths] : drift) count += paths;
  return count;
}

Verdict TreeSnapshot::verdict() const { return judge(drifted_paths() > 0, unknown.empty()); }

void LatencyHistogram::observe(double seconds) {
  for (std::size_t i = 0; i < kLatencyBounds.size(); ++i) {
    if (seconds <= kLatencyBounds[i]) ++cumulative[i];
  }
  ++count;
  sum += seconds;
}

Verdict Snapshot::verdict() const {
  Verdict all = trees.empty() ? Verdict::unknown : Verdict::clean;
  for (const TreeSnapshot& tree : trees) all = worse(all, tree.verdict());
  return all;
}

bool Snapshot::ready() const {
  return std::all_of(trees.begin(), trees.end(), [](const TreeSnapshot& tree) { return tree.full.done > 0; });
}

void Snapshot::date_verdicts(const Snapshot& before, double now) {
  std::map<std::string_view, const TreeSnapshot*> known;
  for (const TreeSnapshot& tree : before.trees) known.emplace(tree.name, &tree);
  for (TreeSnapshot& tree : trees) {
    const auto same = known.find(tree.name);
    const bool is_same = same != known.end() && same->second->verdict() == tree.verdict();
    tree.verdict_since = is_same ? same->second->verdict_since : now;
  }
}

}  // namespace driftd::daemon
