#include "manifests/tool/byte_stream.hpp"

#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

namespace driftd::manifests::tool {

ByteStream read_descriptor(int fd, std::string name) {
  constexpr std::size_t kBufferSize = 256 * 1024;
  const auto buffer = std::make_shared<std::vector<char>>(kBufferSize);
  return [fd, name = std::move(name), buffer]() -> Result<std::string_view> {
    for (;;) {
      const ssize_t got = ::read(fd, buffer->data(), buffer->size());
      if (got >= 0) return std::string_view(buffer->data(), static_cast<std::size_t>(got));
      if (errno != EINTR) return system_error(name, errno);
    }
  };
}

Result<void> drain(const ByteStream& stream) {
  for (;;) {
    const auto bytes = stream();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return {};
  }
}

}  // namespace driftd::manifests::tool
