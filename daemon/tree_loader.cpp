#include "daemon/tree_loader.hpp"

#include "manifests/trust_store.hpp"
#include "scanner/plan_accounts.hpp"

namespace driftd::daemon {

using manifests::Result;

Result<std::shared_ptr<const scanner::ScanPlan>> make_plan(
    const TreePlaces& places, const TreeConfig& tree, std::shared_ptr<const manifests::VerifiedManifest> manifest,
    std::shared_ptr<const manifests::VerifiedManifest> previous) {
  auto plan = std::make_shared<scanner::ScanPlan>();
  plan->manifest = std::move(manifest);
  plan->previous = std::move(previous);
  plan->root = tree.root;
  plan->report_additions = tree.report_additions;
  plan->exemptions = exemptions_for(tree.name, places);
  auto accounts = scanner::Accounts::load();
  if (!accounts) return accounts.error();
  set_accounts(*plan, std::move(*accounts));
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
