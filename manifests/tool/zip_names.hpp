#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "manifests/error.hpp"

namespace driftd::manifests::tool {

/// The names in a zip as they stand there. libarchive composes characters (NFC) and turns backslashes into slashes, so
/// what it calls a member is to be looked up here.
class ZipNames {
 public:
  /// Reads the central directory of the zip that is open as `fd`.
  static Result<ZipNames> read(int fd);

  /// A final slash does not count.
  [[nodiscard]] bool contains(std::string_view name) const;

 private:
  std::unordered_set<std::string> names_;
};

}  // namespace driftd::manifests::tool
