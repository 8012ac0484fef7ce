#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/tool/foreign_mtree.hpp"

/// The keywords of one entry of a foreign mtree specification.
namespace driftd::manifests::tool {

/// By name, as written; a keyword without a value has an empty one.
using Keywords = std::map<std::string, std::string, std::less<>>;

/// Puts `words` (`key=value` or `key`, separated by white space) into `keywords`. Refused: one that is there already.
Result<void> put_keywords(std::string_view words, Keywords& keywords);

/// The entry that they describe. The names of those that have no place in a manifest go into `left_out`.
Result<Entry> entry_of(const Keywords& keywords, const ImportRules& rules, std::set<std::string>& left_out);

}  // namespace driftd::manifests::tool
