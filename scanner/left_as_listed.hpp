#pragma once

#include <string>
#include <vector>

#include "scanner/scan.hpp"

namespace driftd::scanner {

/// Of the paths in `result.evidence`, those that the release lists and the scan found as they are listed: somebody
/// touched them, and left nothing behind. What may be anything, or absent, is not among them.
std::vector<std::string> left_as_listed(const ScanPlan& plan, const ScanResult& result);

}  // namespace driftd::scanner
