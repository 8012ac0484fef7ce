#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/secret_text.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests {

/// openat(2) for reading, with `flags` beside: never blocks on a FIFO, and leaves no trace in access times where the
/// kernel allows that, as it does to root and to the owner. Empty with errno set on failure.
UniqueFd open_to_read(int directory, const std::string& path, int flags = 0);

/// Calls `visit` for every name in a directory but `.` and `..`. `path` is for messages. Fails with `unreadable`.
Result<void> for_each_name(UniqueFd directory, const std::string& path,
                           const std::function<void(std::string_view name)>& visit);

struct RegularFile {
  UniqueFd fd;
  std::size_t size;  ///< bytes, when it was opened
};

/// Opens a regular file for reading, following links, never blocking on a FIFO. Errors as of read_file().
Result<RegularFile> open_regular_file(const std::string& path, std::size_t limit);

/// `unreadable`, with the text of errno_value.
Error unreadable(const std::string& path, int errno_value);

/// Reads a regular file whole, following links, never blocking on a FIFO. ErrorCode::size where it is larger than
/// `limit` bytes, `unreadable` where the system refuses.
Result<std::string> read_file(const std::string& path, std::size_t limit);

/// As read_file(), for an open descriptor; `path` is for messages.
Result<std::string> read_all(int fd, const std::string& path, std::size_t limit);

/// As read_file(), into memory that is wiped.
Result<SecretText> read_secret_file(const std::string& path, std::size_t limit);

/// What stands at `path` already: replaced, or an error. A directory, device, FIFO or socket is never replaced.
enum class Existing { replace, refuse };

/// Writes beside `path`, syncs, then renames (or links) into place, so that a reader sees all or nothing.
Result<void> write_file(const std::string& path, std::string_view content, mode_t mode, Existing existing);

}  // namespace driftd::manifests
