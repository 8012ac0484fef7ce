#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "manifests/glob.hpp"
#include "manifests/manifest.hpp"
#include "manifests/rel_path.hpp"
#include "scanner/scan.hpp"

namespace driftd::scanner {

/// What a plan says of a path, before anybody has looked at the host.
enum class Rule : std::uint8_t {
  listed,        ///< the manifest has an entry
  ignored,       ///< below a directory that the manifest ignores: anything may be there
  mutable_path,  ///< a `#mutable` rule covers it: anything may be there
  own_manifest,  ///< the tree's manifest or a signature of it may be there
  nested_tree,   ///< another tree's business
  passage,       ///< a directory may be there, since it leads to one of the last two
  unlisted,      ///< nothing may be there
};

struct Ruling {
  Rule rule = Rule::unlisted;
  /// The path that the rule decides about, as in Finding: the one asked for, or one above it that decides for all
  /// below.
  std::string at;
  std::optional<manifests::EntryIndex> entry;     ///< of `at`, where it is listed
  const manifests::Glob* mutable_rule = nullptr;  ///< covers `at`, also where it is listed; null: none does
  std::string ignored_directory;                  ///< the one that it is below, where it is `ignored`
};

/// The rule for what lies along a path. Pure; a scan may still stop above, where the host has no directory.
/// The pointer in the result is valid as long as the plan's manifest.
Ruling ruling_for(const ScanPlan& plan, const manifests::RelPath& path);

/// The rule for the tree's root.
Ruling ruling_for_root();

}  // namespace driftd::scanner
