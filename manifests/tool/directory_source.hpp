#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/glob.hpp"
#include "manifests/tool/commands.hpp"

namespace driftd::manifests::tool {

/// One path of a source with all that a manifest will say of it.
struct SourceEntry {
  std::string path;  ///< raw bytes below the root, `.` for the root
  Entry entry;
};

/// What to take over from a source, and what to leave unchecked.
struct SourceRules {
  ModePolicy mode = ModePolicy::exec;
  std::string owner = "none";
  bool blake3 = true;
  bool sha256 = true;
  std::vector<Glob> mutable_globs;
  std::vector<std::string> optional_paths;
  /// The manifest that is being written, where it lies inside the source: left out with its signatures.
  std::string own_manifest;
  unsigned threads = 1;
};

/// Walks and hashes a directory with the code that the host uses. The result is in canonical order. Refused: anything
/// that is no file, directory or link, a mount on the way, and what the host would never accept under the rules.
Result<std::vector<SourceEntry>> read_directory(const std::string& directory, const SourceRules& rules);

}  // namespace driftd::manifests::tool
