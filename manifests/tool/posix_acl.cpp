#include "manifests/tool/posix_acl.hpp"

#include <algorithm>
#include <tuple>

namespace driftd::manifests::tool {
namespace {

void append_little_endian(std::string& out, std::uint32_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((number >> (8 * i)) & 0xffU);
}

}  // namespace

std::string acl_bytes(std::vector<AclEntry> entries) {
  constexpr std::uint32_t kVersion = 2;  // POSIX_ACL_XATTR_VERSION
  std::sort(entries.begin(), entries.end(),
            [](const AclEntry& a, const AclEntry& b) { return std::tie(a.tag, a.id) < std::tie(b.tag, b.id); });
  std::string bytes;
  append_little_endian(bytes, kVersion, 4);
  for (const AclEntry& entry : entries) {
    append_little_endian(bytes, entry.tag, 2);
    append_little_endian(bytes, entry.permissions, 2);
    append_little_endian(bytes, entry.id, 4);
  }
  return bytes;
}

}  // namespace driftd::manifests::tool
