#include "scanner/process_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace driftd::scanner {

using manifests::UniqueFd;

namespace {

constexpr std::size_t kSmallFile = 8 * 1024;

}  // namespace

UniqueFd open_at(int directory, const char* name) {
  return UniqueFd(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW));
}

std::optional<std::string> read_at(int directory, const char* name) {
  const UniqueFd file = open_at(directory, name);
  if (!file) return std::nullopt;
  std::array<char, kSmallFile> text;  // NOLINT: filled by the kernel
  ssize_t length = 0;
  do {
    length = ::read(file.get(), text.data(), text.size());
  } while (length < 0 && errno == EINTR);
  if (length < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(length));
}

std::optional<std::string> read_table_at(int directory, const char* name, std::size_t limit) {
  const UniqueFd file = open_at(directory, name);
  if (!file) return std::nullopt;
  std::string text;
  for (;;) {
    const std::size_t had = text.size();
    text.resize(had + kSmallFile);
    const ssize_t length = ::read(file.get(), text.data() + had, kSmallFile);
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 || text.size() > limit) return std::nullopt;
    if (length == 0) return text;
  }
}

std::string link_at(int directory, const char* name) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
  return {target.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

}  // namespace driftd::scanner
