#pragma once

#include <cstdint>
#include <optional>

#include "manifests/error.hpp"

namespace driftd::manifests::tool {

/// Where the stored parts of a sparse file lie. Unpackers agree only on maps in order whose last part (which may be
/// empty) ends where the file does; every archiver writes such.
class SparseMap {
 public:
  Result<void> add(std::uint64_t offset, std::uint64_t size);

  /// After the last part: whether it all makes a file of `real_size` of which `stored` bytes are in the archive.
  [[nodiscard]] Result<void> finish(std::uint64_t real_size, std::uint64_t stored) const;

  [[nodiscard]] std::uint64_t parts() const { return parts_; }

 private:
  std::uint64_t end_ = 0;
  std::uint64_t stored_ = 0;
  std::uint64_t parts_ = 0;
};

/// The map with which the content of a GNU.sparse 1.0 file begins: how many parts, then offset and size of each, in
/// lines.
class SparseMapText {
 public:
  /// The next character. Gives true with the last one.
  Result<bool> take(char c);

  [[nodiscard]] const SparseMap& map() const { return map_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }  ///< in characters

 private:
  SparseMap map_;
  std::uint64_t size_ = 0;
  std::uint64_t number_ = 0;
  bool has_digit_ = false;
  std::optional<std::uint64_t> parts_;
  std::optional<std::uint64_t> offset_;  ///< of the part whose size is to come
};

}  // namespace driftd::manifests::tool
