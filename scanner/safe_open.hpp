#pragma once

#include <string_view>

#include "manifests/unique_fd.hpp"

/// Opening below a directory without ever leaving it: no links followed, no mount crossed, no blocking, no access
/// time touched where the kernel allows that. All return an empty UniqueFd with errno set on failure.
namespace driftd::scanner {

/// Opens the directory at `path`, raw bytes below `root` (`.` or empty: the root itself), for reading. EXDEV where a
/// mount is in the way, ELOOP or ENOTDIR where a component is a link or no directory.
manifests::UniqueFd open_directory_beneath(int root, std::string_view path);

/// Opens one name in a directory for reading; `name` must be a single component. ELOOP where it is a link, ENXIO
/// where it is a socket. The caller checks the type: devices and FIFOs open without blocking.
manifests::UniqueFd open_file_at(int directory, const char* name);

/// What stands at `path` below `directory`, a link too, by a descriptor that reads nothing (O_PATH): for a look at its
/// attributes. Whatever is mounted there is not asked, as it may not answer: EXDEV.
manifests::UniqueFd reach_beneath(int directory, const char* path);

}  // namespace driftd::scanner
