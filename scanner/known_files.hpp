#pragma once

#include <bitset>
#include <cstddef>
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

/// The file that stood at an entry's path.
struct KnownFile {
  FileNumber file = 0;
  manifests::EntryIndex entry = 0;
  friend auto operator<=>(const KnownFile&, const KnownFile&) = default;
};

/// At which listed paths files stand. A change is told by the name that was used, which may be elsewhere, or gone, or
/// none at all; and by the file. Holds 16 bytes for each entry, a few more for those that have got another file since.
/// Immutable and cheap to copy, so that any thread may ask.
class KnownFiles {
 public:
  using Manifest = std::shared_ptr<const manifests::VerifiedManifest>;

  /// Of no manifest: none.
  KnownFiles() = default;
  KnownFiles(Manifest manifest, std::vector<KnownFile> files);

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }

  /// With what is newer, of the same manifest. An earlier file of an entry may be known for some time yet, which costs
  /// a look.
  [[nodiscard]] KnownFiles with(std::vector<KnownFile> newer) const;
  [[nodiscard]] KnownFiles with(const KnownFiles& newer) const;

  [[nodiscard]] bool holds(const KnownFile& file) const;
  [[nodiscard]] bool knows(FileNumber file) const;
  /// Every path of the file.
  void add_to(Scope& scope, FileNumber file) const;

 private:
  /// Sorted.
  using Files = std::shared_ptr<const std::vector<KnownFile>>;

  Manifest manifest_;
  Files base_ = std::make_shared<const std::vector<KnownFile>>();
  Files newer_ = base_;  ///< few, so that one more does not copy all; one an entry
};

/// Files that were touched; may take others for them. As large however many they are.
class TouchedFiles {
 public:
  void add(FileNumber file) { bits_[first(file)] = bits_[second(file)] = true; }
  [[nodiscard]] bool may_hold(FileNumber file) const { return bits_[first(file)] && bits_[second(file)]; }

 private:
  static constexpr std::size_t kBits = std::size_t{1} << 20U;
  static std::size_t first(FileNumber file) { return file % kBits; }
  static std::size_t second(FileNumber file) { return (file >> 32U) % kBits; }

  std::bitset<kBits> bits_;
};

}  // namespace driftd::scanner
