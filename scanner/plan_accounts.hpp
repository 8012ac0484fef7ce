#pragma once

#include <memory>

#include "manifests/error.hpp"
#include "scanner/scan.hpp"

namespace driftd::scanner {

/// Sets `accounts` and what goes with them; the plan's manifest must be there.
void set_accounts(ScanPlan& plan, Accounts accounts);

/// The plan itself, or where the accounts' files have changed since they were read, one like it with what they hold
/// now. That costs a stat of each file, as long as nothing has changed.
manifests::Result<std::shared_ptr<const ScanPlan>> with_current_accounts(std::shared_ptr<const ScanPlan> plan);

}  // namespace driftd::scanner
