#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "manifests/manifest.hpp"
#include "manifests/trust.hpp"
#include "scanner/scope.hpp"
#include "scanner/tree_root.hpp"

namespace driftd::scanner {

/// A file's handle as one number, never 0. Should two files share one, both are looked at where one had to be.
using FileNumber = std::uint64_t;
FileNumber file_number(const FileHandle& handle);

/// An entry whose file has further names.
struct LinkedEntry {
  FileNumber file = 0;
  manifests::EntryIndex entry = 0;
  friend auto operator<=>(const LinkedEntry&, const LinkedEntry&) = default;
};

/// Which entries have files with further names, in the tree or outside. A write names only the name that it used, and
/// the file. Holds 16 bytes for each such entry, and nothing for the others. Immutable, so that any thread may ask.
class HardLinks {
 public:
  HardLinks(std::shared_ptr<const manifests::VerifiedManifest> manifest, std::vector<LinkedEntry> entries);

  [[nodiscard]] const std::shared_ptr<const manifests::VerifiedManifest>& manifest() const { return manifest_; }
  /// With those of the same manifest too. Null: all are known.
  [[nodiscard]] std::shared_ptr<const HardLinks> with(const std::vector<LinkedEntry>& entries) const;

  [[nodiscard]] bool knows(FileNumber file) const;
  /// Every path of the file.
  void add_to(Scope& scope, FileNumber file) const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  [[nodiscard]] std::vector<LinkedEntry>::const_iterator first(FileNumber file) const;

  std::shared_ptr<const manifests::VerifiedManifest> manifest_;
  std::vector<LinkedEntry> entries_;  ///< sorted
};

}  // namespace driftd::scanner
