#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "manifests/digest.hpp"
#include "scanner/file_id.hpp"

namespace driftd::scanner {

/// What stands at a path on the host. The first three are what a manifest can list.
enum class FileType : std::uint8_t { file, directory, symlink, fifo, socket, character_device, block_device };

std::string_view to_string(FileType type);

/// From st_mode's type bits.
FileType file_type(std::uint32_t st_mode);

/// For Observed::names_changed_last. Wants STATX_BASIC_STATS.
bool were_names_changed_last(const struct statx& status);

/// One path as it was at one moment.
struct Observed {
  FileType type = FileType::file;
  std::uint32_t mode = 0;  ///< 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  FileId file;
  std::int64_t changed_at = 0;            ///< ctime in seconds since 1970: when content or attributes last changed
  std::uint32_t changed_nanoseconds = 0;  ///< the rest of it
  bool names_changed_last = false;        ///< it is a directory, and that was when a name came or went in it
  /// Absent where the content was not read: the digest was not wanted, or the size tells already.
  std::optional<manifests::Digest> blake3;
  std::optional<manifests::Digest> sha256;
  std::string target;                     ///< of a symlink
  std::optional<std::string> capability;  ///< raw security.capability
  std::optional<manifests::Digest> acl;   ///< BLAKE3 of raw system.posix_acl_access
  std::uint64_t fingerprint = 0;          ///< for a StatCache, where there is one
  std::uint64_t number = 0;               ///< likewise: the FileNumber, where it was wanted and can be had; else 0
};

}  // namespace driftd::scanner
