#pragma once

#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"
#include "manifests/tool/imported_tree.hpp"

/// Lists as coreutils' sha256sum writes and checks them.
namespace driftd::manifests::tool {

/// One line with its line end. A name with a backslash or a line end is escaped, which a backslash before the digest
/// tells.
std::string sha256sums_line(std::string_view path, const Digest& sha256);

/// Takes text and binary markers, escaped lines, the BSD form `SHA256 (name) = hex`, blank lines and comments. Errors
/// name the line. Such a list knows neither sizes nor modes nor links.
Result<Imported> parse_sha256sums(std::string_view text);

}  // namespace driftd::manifests::tool
