#pragma once

#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"
#include "manifests/mtree.hpp"

/// Where the commands' results go.
namespace driftd::manifests::tool {

/// To stdout, or to the file that `output` names unless it is empty, whole or not at all.
Result<void> write_output(std::string_view text, const std::string& output);

/// Writes the manifest's canonical bytes as write_output() does, after the strict reader has taken them: what it does
/// not take, no host would. Then tells on stderr what was written, what it leaves unchecked, and what comes next.
Result<void> write_new_manifest(const Manifest& manifest, const std::string& output);

}  // namespace driftd::manifests::tool
