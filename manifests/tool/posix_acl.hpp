#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace driftd::manifests::tool {

/// One entry of a POSIX access list, with the numbers of linux/posix_acl_xattr.h.
struct AclEntry {
  enum Tag : std::uint16_t { user_owner = 1, user = 2, group_owner = 4, group = 8, mask = 16, other = 32 };
  Tag tag = user_owner;
  std::uint16_t permissions = 0;  ///< 0 to 7
  std::uint32_t id = 0xffffffff;  ///< of a named user or group
};

/// The bytes of system.posix_acl_access as the kernel gives them for this list: in its order, little-endian.
std::string acl_bytes(std::vector<AclEntry> entries);

}  // namespace driftd::manifests::tool
