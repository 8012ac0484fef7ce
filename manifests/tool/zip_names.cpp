#include "manifests/tool/zip_names.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace driftd::manifests::tool {
namespace {

// Sizes and offsets of APPNOTE.TXT, the format's description by PKWARE.
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kMaxComment = 65535;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kEntrySize = 46;
constexpr std::uint64_t kMaxDirectory = std::uint64_t{1} << 30U;
constexpr std::uint64_t kUnicodePath = 0x7075;

Error damaged() { return {ErrorCode::format, "a damaged or truncated zip: its central directory cannot be read"}; }

std::string_view without_slash(std::string_view name) {
  while (name.ends_with('/')) name.remove_suffix(1);
  return name;
}

/// Little-endian; the caller has checked that it is there.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8U | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("zip", errno);
    if (got == 0) return damaged();
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// Where the central directory lies, from the record at the end or its larger form.
Result<std::string> read_directory(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error("zip", errno);
  const auto file_size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t tail_size = std::min<std::uint64_t>(file_size, kLocatorSize + kEndSize + kMaxComment);
  const auto tail = read_at(fd, file_size - tail_size, tail_size);
  if (!tail) return tail.error();
  const std::size_t end = tail->size() < kEndSize ? std::string::npos : tail->rfind("PK\5\6", tail->size() - kEndSize);
  if (end == std::string::npos) return damaged();
  std::uint64_t size = number(*tail, end + 12, 4);
  std::uint64_t offset = number(*tail, end + 16, 4);
  if (end >= kLocatorSize && tail->compare(end - kLocatorSize, 4, "PK\6\7") == 0) {
    const auto end64 = read_at(fd, number(*tail, end - kLocatorSize + 8, 8), kEnd64Size);
    if (!end64) return end64.error();
    size = number(*end64, 40, 8);
    offset = number(*end64, 48, 8);
  }
  if (size > kMaxDirectory || offset > file_size || size > file_size - offset) return damaged();
  return read_at(fd, offset, size);
}

/// The name that stands in an extra field beside one in another character set, or nothing.
std::string_view unicode_path(std::string_view extra) {
  while (extra.size() >= 4) {
    const std::size_t size = number(extra, 2, 2);
    if (size > extra.size() - 4) break;
    constexpr std::size_t kBeforeName = 5;  // a version and a checksum
    if (number(extra, 0, 2) == kUnicodePath && size > kBeforeName) {
      return extra.substr(4 + kBeforeName, size - kBeforeName);
    }
    extra.remove_prefix(4 + size);
  }
  return {};
}

}  // namespace

Result<ZipNames> ZipNames::read(int fd) {
  const auto directory = read_directory(fd);
  if (!directory) return directory.error();
  ZipNames all;
  for (std::string_view rest = *directory; rest.size() >= kEntrySize && rest.starts_with("PK\1\2");) {
    const std::size_t name_size = number(rest, 28, 2);
    const std::size_t extra_size = number(rest, 30, 2);
    const std::size_t size = kEntrySize + name_size + extra_size + number(rest, 32, 2);
    if (size > rest.size()) return damaged();
    all.names_.emplace(without_slash(rest.substr(kEntrySize, name_size)));
    const std::string_view unicode = unicode_path(rest.substr(kEntrySize + name_size, extra_size));
    if (!unicode.empty()) all.names_.emplace(without_slash(unicode));
    rest.remove_prefix(size);
  }
  return all;
}

bool ZipNames::contains(std::string_view name) const { return names_.contains(std::string(without_slash(name))); }

}  // namespace driftd::manifests::tool
