#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/error.hpp"

namespace driftd::manifests::tool {

/// A member as a zip's central directory has it; numbers are those of APPNOTE.TXT.
struct ZipEntry {
  std::string name;          ///< the bytes that stand there
  std::uint64_t offset = 0;  ///< of the local header
  std::uint64_t compressed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t checksum = 0;
  std::uint64_t flags = 0;
  std::uint64_t method = 0;
  std::uint64_t host = 0;        ///< the system whose attributes these are
  std::uint64_t attributes = 0;  ///< with the mode above, where the host is Unix
};

/// What a zip says of its members. It says it twice, before each member and at its end, and unpackers differ in which
/// they believe; libarchive in addition composes characters (NFC), turns backslashes into slashes and corrects modes.
/// Hence this reads both, and what libarchive calls a member is compared with it.
///
/// Names that are not composed are refused here and taken from a tar: unzip and libarchive give a zip's names different
/// bytes, while for the names in a tar, bytes are bytes (to GNU tar, docker and this program; bsdtar composes those in
/// pax headers where its locale is UTF-8).
class ZipDirectory {
 public:
  /// Reads the zip that is open as `fd`. Refused: more than one end or none at the file's end, bytes that belong to no
  /// member or to two, and members whose two descriptions differ or could be understood differently.
  static Result<ZipDirectory> read(int fd);

  /// The next member that libarchive gives, by its name and mode there. Refused: one that is not the next one here.
  Result<void> take_next(std::string_view name, unsigned mode);

  /// Refused: libarchive gave less than what is here.
  [[nodiscard]] Result<void> finish() const;

 private:
  explicit ZipDirectory(std::vector<ZipEntry> members) : members_(std::move(members)) {}

  std::vector<ZipEntry> members_;  ///< in the order of their local headers, which is libarchive's
  std::size_t taken_ = 0;
};

}  // namespace driftd::manifests::tool
