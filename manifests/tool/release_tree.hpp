#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/tool/source_item.hpp"
#include "manifests/tool/source_rules.hpp"

namespace driftd::manifests::tool {

/// The order of a manifest: parents before children, siblings in byte order, the root `.` first.
struct CanonicalOrder {
  bool operator()(std::string_view a, std::string_view b) const;
};

/// By path below the release's root.
using ReleaseEntries = std::map<std::string, Entry, CanonicalOrder>;

/// Paths that are counted, and the first few of them in a manifest's order, whatever order they come in.
struct CountedPaths {
  std::size_t count = 0;
  std::vector<std::string> first;

  void add(const std::string& path);
};

/// What a person who builds should hear of.
struct BuildNotes {
  std::size_t left_to_mutable = 0;  ///< paths of the source that are not listed since a mutable rule covers them
  std::size_t stripped = 0;         ///< files and links of the source that stripping left out
  CountedPaths too_open;            ///< listed without a mode, but world-writable, setgid or with an ACL in the source
};

/// Takes the items of a source, whatever its kind and order, and makes the entries of a manifest by the rules. No file
/// system is touched.
class ReleaseTree {
 public:
  /// `rules` must outlive the tree.
  explicit ReleaseTree(const SourceRules& rules) : rules_(rules) {}

  [[nodiscard]] const SourceRules& rules() const { return rules_; }

  /// A directory may come twice; the later one counts, as when unpacking. Refused: another path twice, and what
  /// make_entry() refuses.
  Result<void> add(const SourceItem& item);

  /// Adds what the rules alone know of (links, generated, optional and mutable paths) and the directories that nobody
  /// listed. Refused: rules that contradict the source or each other.
  Result<ReleaseEntries> finish() &&;

  [[nodiscard]] const BuildNotes& notes() const { return notes_; }

 private:
  enum class Parents { required, optional };

  void imply_directory_of(const std::string& path);
  Result<void> add_implied_directories();
  Result<void> add_links();
  Result<void> add_generated();
  Result<void> add_mutable_directories();
  Result<void> add_optional();
  Result<void> require_unruled(std::string_view option, const std::string& path) const;
  Result<void> add_parents(const std::string& path, Parents parents);
  Result<void> add_all_parents();

  const SourceRules& rules_;
  ReleaseEntries entries_;
  std::set<std::string> implied_;  ///< directories that hold something of the source, listed or not
  BuildNotes notes_;
  bool any_item_ = false;
  bool any_inside_ = false;
};

}  // namespace driftd::manifests::tool
