#pragma once

#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"

/// The release manifest's text: a valid mtree(5) file (v2.0, full paths, one line an entry) with driftd's headers as
/// comments. FORMAT.md beside this file describes it. Writing is deterministic, and reading
/// takes nothing but what writing gives: write_manifest(read_manifest(x)) == x for every x that is accepted.
namespace driftd::manifests {

inline constexpr std::size_t kMaxHeaderSize = 64 * 1024;

/// BLAKE3 over the `#mutable` lines and the entry lines exactly as they stand, with their line ends.
using ContentId = Digest;

std::string write_manifest(const Manifest& manifest);

struct ReadManifest {
  Manifest manifest;
  ContentId content;
};

/// Errors name the line. The caller has limited the size and verified the signature.
Result<ReadManifest> read_manifest(std::string_view bytes, KeepDigests keep = KeepDigests::all);

}  // namespace driftd::manifests
