#pragma once

#include <string_view>

#include "manifests/error.hpp"
#include "manifests/tool/imported_tree.hpp"

namespace driftd::manifests::tool {

/// What to take over of what an mtree specification says of modes and owners.
struct ImportRules {
  bool mode = true;
  bool owner = true;
};

/// Reads mtree(5) as it is found in the wild: by NetBSD's and FreeBSD's mtree and by bsdtar. Lenient about form; what
/// cannot be meant, or is no proof of content (a file with MD5 or SHA-1 alone), is an error that names the line.
Result<Imported> parse_foreign_mtree(std::string_view text, const ImportRules& rules);

}  // namespace driftd::manifests::tool
