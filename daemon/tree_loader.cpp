#include "daemon/tree_loader.hpp"

#include <filesystem>
#include <system_error>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/trust_store.hpp"

namespace driftd::daemon {
namespace {

using manifests::RelPath;
using manifests::Result;

/// `path` below `root`, both with links resolved; nothing where it is elsewhere.
std::optional<RelPath> beneath(const std::filesystem::path& root, const std::filesystem::path& path) {
  std::error_code error;
  const auto real_root = std::filesystem::canonical(root, error);
  const auto real_path = error ? std::filesystem::path() : std::filesystem::weakly_canonical(path, error);
  if (error) return std::nullopt;
  return RelPath::parse(real_path.lexically_relative(real_root).native());
}

}  // namespace

Result<std::shared_ptr<const scanner::ScanPlan>> make_plan(
    const std::vector<TreeConfig>& all_trees, const TreeConfig& tree,
    std::shared_ptr<const manifests::VerifiedManifest> manifest,
    std::shared_ptr<const manifests::VerifiedManifest> previous) {
  auto plan = std::make_shared<scanner::ScanPlan>();
  plan->manifest = std::move(manifest);
  plan->previous = std::move(previous);
  plan->root = tree.root;
  plan->report_additions = tree.report_additions;
  auto accounts = scanner::Accounts::load();
  if (!accounts) return accounts.error();
  plan->accounts = std::move(*accounts);
  for (const TreeConfig& other : all_trees) {
    if (const auto path = beneath(tree.root, other.manifest)) plan->exemptions.add_manifest(*path);
    if (other.name == tree.name) continue;
    if (const auto path = beneath(tree.root, other.root)) plan->exemptions.add_nested_tree(*path);
  }
  // Named on the command line, a tree stands for itself.
  if (const auto path = beneath(tree.root, tree.manifest)) plan->exemptions.add_manifest(*path);
  return std::shared_ptr<const scanner::ScanPlan>(std::move(plan));
}

Result<manifests::TrustPolicy> load_policy(const TrustConfig& trust, const TreeConfig& tree) {
  const auto store = manifests::load_trust_store(trust.directories);
  if (!store) return store.error();
  auto policy = store->policy(tree.keys, trust.threshold);
  if (!policy) return policy.error();
  return policy;
}

}  // namespace driftd::daemon
