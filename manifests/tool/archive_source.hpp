#pragma once

#include <string>

#include "manifests/error.hpp"
#include "manifests/tool/progress.hpp"
#include "manifests/tool/release_tree.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests::tool {

enum class ArchiveKind {
  tar,  ///< compressed or not
  zip,
  deb,
};

/// An archive that is open for reading at its start.
struct ArchiveFile {
  UniqueFd fd;
  ArchiveKind kind = ArchiveKind::tar;
};

/// Told by its first bytes, whatever it is called. `-` is standard input, and that and pipes are taken for tar.
Result<ArchiveFile> open_archive(const std::string& path);

/// Reads an archive once from its beginning to its end and gives every member to `tree`, hashed. Nothing is unpacked.
/// Refused, with the member's name: whatever unpackers could understand differently or that leaves the archive's root
/// (see archive_members.hpp), damaged, cut off and encrypted archives. What follows the end-of-archive block of a tar
/// is no part of it, as for every tar.
Result<void> read_archive(const ArchiveFile& archive, ReleaseTree& tree, Progress& progress);

}  // namespace driftd::manifests::tool
