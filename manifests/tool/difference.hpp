#pragma once

#include <functional>
#include <string>
#include <vector>

#include "manifests/manifest.hpp"

/// What two manifests list differently. Signatures and headers, but for the mutable rules, do not matter.
namespace driftd::manifests::tool {

enum class DifferenceKind { added, removed, changed };

struct Difference {
  DifferenceKind kind;
  std::string path;       ///< raw bytes, `.` for the root
  EntryIndex before = 0;  ///< in the first manifest; means nothing for `added`
  EntryIndex after = 0;   ///< in the second one; means nothing for `removed`
};

/// Calls `visit` for every path that only one of them lists, or that they list differently; parents come first and
/// siblings in byte order.
void for_each_difference(const Manifest& before, const Manifest& after,
                         const std::function<void(const Difference&)>& visit);

struct RuleDifferences {
  std::vector<std::string> removed;
  std::vector<std::string> added;
  /// The same rules in another order, which also makes another content id.
  bool reordered = false;
};

RuleDifferences compare_rules(const Header& before, const Header& after);

}  // namespace driftd::manifests::tool
