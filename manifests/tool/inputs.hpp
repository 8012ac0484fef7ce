#pragma once

#include <string>

#include "manifests/error.hpp"
#include "manifests/mtree.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/trust.hpp"

/// The manifests that commands work on. Both digests are kept, so that they can be written again.
namespace driftd::manifests::tool {

/// Reads a manifest and looks at no signature.
Result<ReadManifest> load_unverified(const std::string& file);

Result<VerifiedManifest> load_verified(const std::string& file, const TrustOptions& trust);

}  // namespace driftd::manifests::tool
