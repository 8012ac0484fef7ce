#pragma once

#include <dirent.h>

#include <cerrno>
#include <cstdint>

#include "manifests/rel_path.hpp"
#include "scanner/observe.hpp"

namespace driftd::scanner {

/// What stands at a name, or errno.
struct Look {
  int error = 0;
  unsigned char type = DT_UNKNOWN;
  std::uint64_t inode = 0;
};

/// EXDEV where something is mounted, which is not asked.
Look look_at(int directory, const char* name);
/// The same of a path; no link on the way is followed (ELOOP).
Look look_beneath(int root, const manifests::RelPath& path);

/// The errno of opening what was a directory a moment ago and is none any more, or no longer there.
inline bool changed_meanwhile(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

inline constexpr Observation kUnstable{Outcome::unverified, UnverifiedReason::unstable, 0};

}  // namespace driftd::scanner
