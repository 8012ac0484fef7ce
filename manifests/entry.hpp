#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "manifests/digest.hpp"

namespace driftd::manifests {

/// Capabilities are 12 to 24 bytes (linux/capability.h, vfs_ns_cap_data); the bound leaves room for later forms.
inline constexpr std::size_t kMaxCapability = 64;

enum class EntryType : std::uint8_t { file, directory, symlink };

/// Attributes that few entries have or many share. One that is absent is not checked.
struct Attributes {
  std::optional<std::string> uname;  ///< looked up in the host's /etc/passwd
  std::optional<std::uint32_t> uid;  ///< where there is no name
  std::optional<std::string> gname;
  std::optional<std::uint32_t> gid;
  std::optional<std::uint32_t> mode;      ///< permission bits with setuid, setgid and sticky (07777)
  std::optional<std::string> link;        ///< a symlink's target, raw bytes
  std::optional<std::string> capability;  ///< raw security.capability; absent: none may be set
  std::optional<Digest> acl;              ///< BLAKE3 of raw system.posix_acl_access; absent: none may be set

  friend auto operator<=>(const Attributes&, const Attributes&) = default;
};

/// All that a manifest says of one path, apart from the path.
struct Entry {
  EntryType type = EntryType::file;
  bool executable = false;  ///< owner-execute was set in the source; means nothing where `mode` is recorded
  bool any_exec = false;    ///< owner-execute is not checked; excludes `executable` and `mode`
  bool optional = false;    ///< may be absent
  bool ignore = false;      ///< a directory below which anything may be
  std::optional<std::uint64_t> size;
  std::optional<Digest> blake3;
  std::optional<Digest> sha256;
  Attributes attributes;

  friend bool operator==(const Entry&, const Entry&) = default;
};

}  // namespace driftd::manifests
