#pragma once

#include <sys/xattr.h>

#include <cstdint>
#include <optional>
#include <string>

/// Extended attributes as the kernel takes them, for tests.
namespace driftd::test {

/// struct vfs_cap_data, revision 2 (linux/capability.h): these bits effective and permitted.
inline std::string raw_capability(std::uint32_t bits = 1U << 10 /* cap_net_bind_service */) {
  std::string raw{'\1', '\0', '\0', '\2'};
  for (unsigned shift = 0; shift < 32; shift += 8) raw += static_cast<char>((bits >> shift) & 0xFFU);
  return raw + std::string(12, '\0');
}

/// A POSIX ACL as acl(5) stores it: user::rw-, user:USER:rw-, group::r--, mask::rw-, other::r--.
inline std::string raw_acl(unsigned char user = 1) {
  std::string acl("\2\0\0\0", 4);
  const auto entry = [&](unsigned char tag, unsigned char rights, const std::string& id) {
    acl += std::string{static_cast<char>(tag), '\0', static_cast<char>(rights), '\0'} + id;
  };
  const std::string nobody("\xff\xff\xff\xff");
  entry(0x01, 6, nobody);
  entry(0x02, 6, std::string{static_cast<char>(user), '\0', '\0', '\0'});
  entry(0x04, 4, nobody);
  entry(0x10, 6, nobody);
  entry(0x20, 4, nobody);
  return acl;
}

inline bool set_raw_attribute(const std::string& path, const char* name, const std::string& value) {
  return ::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) == 0;
}

inline std::optional<std::string> raw_attribute(const std::string& path, const char* name) {
  char value[1024];
  const ssize_t length = ::lgetxattr(path.c_str(), name, value, sizeof value);
  if (length < 0) return std::nullopt;
  return std::string(value, static_cast<std::size_t>(length));
}

}  // namespace driftd::test
