#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"

namespace driftd::manifests::tool {

/// Gives the next bytes of some stream, which stay valid until the next call; none at its end, and none ever after.
using ByteStream = std::function<Result<std::string_view>()>;

/// Reads an open descriptor, which must outlive the stream. `name` is for messages.
ByteStream read_descriptor(int fd, std::string name);

/// Reads on to the end: what checks itself there is checked, and a program that writes into a pipe can finish.
Result<void> drain(const ByteStream& stream);

}  // namespace driftd::manifests::tool
