#pragma once

#include <string>
#include <vector>

#include "manifests/manifest.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"

namespace driftd::scanner {

/// Paths of `asked` that the release lists, which `result`, a scan of them, found as they are listed. What may be
/// anything is not among them: a file without a digest, a directory that is ignored.
std::vector<std::string> left_as_listed(const manifests::Manifest& manifest, const Scope& asked,
                                        const ScanResult& result);

}  // namespace driftd::scanner
