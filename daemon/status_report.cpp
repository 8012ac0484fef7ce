#include "daemon/status_report.hpp"

#include <algorithm>

#include "scanner/compare.hpp"

namespace driftd::daemon {
namespace {

/// One for a path of usual length, more for a longer one and for what is told of it.
constexpr std::size_t kUsualPath = 64;
std::size_t weight_of(const scanner::Finding& finding) {
  std::size_t bytes = finding.path.size() + finding.expected.size() + finding.actual.size();
  for (const std::string& path : finding.first_below) bytes += path.size();
  return 1 + bytes / kUsualPath;
}
std::size_t weight_of(const scanner::OpenDrift& open) { return weight_of(open.finding); }
std::size_t weight_of(const scanner::Unverified& unverified) { return 1 + unverified.path.size() / kUsualPath; }

/// The first values of a map by path: as many as people are shown, and more of what is left of the budget.
template <class Value>
std::vector<Value> take_first(const std::map<std::string, Value>& all, std::size_t& budget, bool& is_cut) {
  std::vector<Value> first;
  for (const auto& [path, value] : all) {
    const std::size_t weight = weight_of(value);
    if (first.size() >= kMostFindings && weight > budget) break;
    budget -= std::min(budget, weight);
    first.push_back(value);
  }
  is_cut = is_cut || first.size() < all.size();
  return first;
}

}  // namespace

Verdict StatusReport::verdict() const {
  Verdict all = trees.empty() ? Verdict::unknown : Verdict::clean;
  for (const TreeStatus& tree : trees) all = worse(all, tree.summary.verdict());
  return all;
}

TreeStatus tree_status(const TreeState& state, TreeSnapshot summary, std::int64_t now, std::size_t& budget) {
  TreeStatus tree;
  const Standing& standing = state.standing();
  const scanner::DriftSet& drift = state.drift();
  tree.manifest = standing.manifest;
  tree.trusted_now = std::max(now, standing.time_floor);
  tree.distrust = standing.distrust;
  tree.forgetful = standing.forgetful;
  tree.trust_reset = standing.trust_reset;
  if (!summary.exactly.empty() && tree.manifest) {
    scanner::OpenDrift whole;
    whole.finding = scanner::other_release(tree.manifest->header().release, summary.exactly);
    whole.first_seen = summary.oldest_open_drift;
    tree.open.push_back(std::move(whole));
  } else {
    tree.open = take_first(drift.open(), budget, tree.is_cut);
    if (drift.open().size() > kMostFindings) {
      for (const auto& [path, open] : drift.open()) tree.directories.add(path);
    }
  }
  tree.unverified = take_first(drift.unverified(), budget, tree.is_cut);
  tree.unverified_in_all = drift.unverified().size();
  if (summary.stalled) {
    // The root, and with it all below.
    if (drift.unverified().count(".") == 0) {
      tree.unverified.insert(tree.unverified.begin(), scanner::Unverified{.path = "."});
      ++tree.unverified_in_all;
    }
    const auto root = std::find_if(tree.unverified.begin(), tree.unverified.end(),
                                   [](const scanner::Unverified& one) { return one.path == "."; });
    if (root != tree.unverified.end()) root->reason = scanner::UnverifiedReason::stalled;
  }
  tree.pending = take_first(drift.pending(), budget, tree.is_cut);
  tree.summary = std::move(summary);
  return tree;
}

}  // namespace driftd::daemon
