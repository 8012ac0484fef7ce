#include "scanner/plan_accounts.hpp"

#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "manifests/digest.hpp"

namespace driftd::scanner {
namespace {

std::string line_of(char kind, const std::string& name, std::optional<std::uint32_t> number) {
  return kind + name + (number ? " " + std::to_string(*number) : "") + "\n";
}

std::uint64_t condense(const manifests::Manifest& manifest, const Accounts& accounts) {
  std::set<std::string> lines;
  for (const manifests::Attributes& attributes : manifest.distinct_attributes()) {
    if (attributes.uname) lines.insert(line_of('u', *attributes.uname, accounts.uid(*attributes.uname)));
    if (attributes.gname) lines.insert(line_of('g', *attributes.gname, accounts.gid(*attributes.gname)));
  }
  manifests::Blake3 hash;
  for (const std::string& line : lines) hash.update(line);
  const manifests::Digest digest = hash.finish();
  std::uint64_t condensed = 0;
  static_assert(sizeof digest >= sizeof condensed);
  std::memcpy(&condensed, digest.bytes.data(), sizeof condensed);
  return condensed;
}

}  // namespace

void set_accounts(ScanPlan& plan, Accounts accounts) {
  plan.named_accounts = condense(plan.manifest->manifest(), accounts);
  plan.accounts = std::move(accounts);
}

manifests::Result<std::shared_ptr<const ScanPlan>> with_current_accounts(std::shared_ptr<const ScanPlan> plan) {
  if (plan->accounts.are_current()) return plan;
  auto accounts = plan->accounts.load_again();
  if (!accounts) return accounts.error();
  auto current = std::make_shared<ScanPlan>(*plan);
  set_accounts(*current, std::move(*accounts));
  return std::shared_ptr<const ScanPlan>(std::move(current));
}

}  // namespace driftd::scanner
