#pragma once

#include "manifests/error.hpp"
#include "manifests/tool/source_item.hpp"
#include "scanner/accounts.hpp"

struct archive_entry;

namespace driftd::manifests::tool {

/// Whether to take over access lists. One that names users whom `accounts` lacks has no bytes to take.
enum class Acls { leave, take };

/// What libarchive says of an entry, but for its content. The path is member_path()'s. Not for hard links, whose
/// attributes are their target's.
Result<SourceItem> item_of(archive_entry* entry, Acls acls, const scanner::Accounts& accounts);

}  // namespace driftd::manifests::tool
