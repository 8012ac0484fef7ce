#include "manifests/file_io.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests {
namespace {

Error too_large(const std::string& path, std::size_t limit) {
  return {ErrorCode::size, escape(path) + ": larger than the limit of " + std::to_string(limit) + " bytes"};
}

/// The size of a regular file; anything else is refused.
Result<std::uint64_t> regular_size(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::unreadable, escape(path) + ": not a regular file"};
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> write_all(int fd, const std::string& path, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path, errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return system_error(path, errno);
  return {};
}

}  // namespace

UniqueFd open_to_read(int directory, const std::string& path, int flags) {
  flags |= O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  UniqueFd fd(::openat(directory, path.c_str(), flags | O_NOATIME));
  if (!fd && errno == EPERM) fd.reset(::openat(directory, path.c_str(), flags));
  return fd;
}

Result<void> for_each_name(UniqueFd directory, const std::string& path,
                           const std::function<void(std::string_view)>& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(directory.get()), ::closedir);
  if (!stream) return unreadable(path, errno);
  directory.release();
  for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") visit(name);
  }
  if (errno != 0) return unreadable(path, errno);
  return {};
}

Error unreadable(const std::string& path, int errno_value) {
  Error result = system_error(path, errno_value);
  result.code = ErrorCode::unreadable;
  return result;
}

Result<RegularFile> open_regular_file(const std::string& path, std::size_t limit) {
  UniqueFd fd = open_to_read(AT_FDCWD, path);
  if (!fd) return unreadable(path, errno);
  const auto size = regular_size(fd.get(), path);
  if (!size) return size.error();
  if (*size > limit) return too_large(path, limit);
  return RegularFile{std::move(fd), static_cast<std::size_t>(*size)};
}

Result<std::string> read_all(int fd, const std::string& path, std::size_t limit) {
  const auto size = regular_size(fd, path);
  if (!size) return size.error();
  if (*size > limit) return too_large(path, limit);
  // The file may grow meanwhile; one byte beyond its size tells the end from more.
  std::string content(static_cast<std::size_t>(*size) + 1, '\0');
  std::size_t length = 0;
  for (;;) {
    if (length == content.size()) {
      if (length > limit) return too_large(path, limit);
      content.resize(std::min(limit + 1, 2 * content.size()));
    }
    const ssize_t got = ::read(fd, content.data() + length, content.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > limit) return too_large(path, limit);
  content.resize(length);
  return content;
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd = open_to_read(AT_FDCWD, path);
  if (!fd) return unreadable(path, errno);
  return read_all(fd.get(), path, limit);
}

Result<SecretText> read_secret_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd = open_to_read(AT_FDCWD, path);
  if (!fd) return unreadable(path, errno);
  // Without a writer yet, a FIFO would read as an empty secret.
  if (const auto size = regular_size(fd.get(), path); !size) return size.error();
  SecretText text(limit + 1);
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, errno);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > limit) return too_large(path, limit);
  text.truncate(length);
  return text;
}

Result<void> write_file(const std::string& path, std::string_view content, mode_t mode, Existing existing) {
  // Who names /dev/null, as root, does not mean a file in its place.
  struct stat status {};
  if (existing == Existing::replace && ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return Error{ErrorCode::io, escape(path) + ": not a regular file, and is not replaced"};
  }
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return system_error(path, errno);
  const auto fail = [&](Error error) {
    ::unlink(temporary.c_str());
    return error;
  };
  if (auto written = write_all(fd.get(), path, content); !written) return fail(written.error());
  // mkostemp made it 0600; the wider mode still honours the umask.
  const mode_t umask = ::umask(0);
  ::umask(umask);
  if (::fchmod(fd.get(), mode & ~umask) != 0) return fail(system_error(path, errno));
  if (existing == Existing::replace) {
    if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(system_error(path, errno));
    return {};
  }
  if (::link(temporary.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) {
      return fail({ErrorCode::io, escape(path) + ": exists already and is not overwritten"});
    }
    return fail(system_error(path, errno));
  }
  ::unlink(temporary.c_str());
  return {};
}

}  // namespace driftd::manifests
