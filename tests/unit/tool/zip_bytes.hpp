#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Zips byte by byte, with stored members only.
namespace driftd::test {

inline std::string little_endian(std::uint64_t number, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>((number >> (8 * i)) & 0xffU);
  return text;
}

struct ZipMember {
  std::string name;
  std::string content = "hello";
  std::uint32_t mode = 0100644;
  bool utf8 = true;
  std::string extra = {};  ///< of the central directory
  unsigned host = 3;       ///< Unix
  unsigned dos = 0;        ///< attributes
  // What the local header says otherwise.
  std::optional<std::string> local_name = {};
  std::string local_extra = {};
  unsigned local_flags = 0;  ///< besides
  unsigned local_method = 0;
  std::optional<std::uint64_t> local_size = {};
  std::string behind = {};  ///< the content, where a data descriptor may stand
  // What is no honest zip.
  std::optional<std::size_t> offset = {};
  bool is_listed = true;
};

inline std::string zip_local(const ZipMember& member, std::uint64_t checksum) {
  const std::string& name = member.local_name.value_or(member.name);
  const std::string size = little_endian(member.local_size.value_or(member.content.size()), 4);
  return "PK\3\4" + little_endian(20, 2) + little_endian((member.utf8 ? 0x800U : 0U) | member.local_flags, 2) +
         little_endian(member.local_method, 2) + little_endian(0, 4) + little_endian(checksum, 4) + size + size +
         little_endian(name.size(), 2) + little_endian(member.local_extra.size(), 2) + name + member.local_extra +
         member.content + member.behind;
}

inline std::string zip_entry(const ZipMember& member, std::uint64_t checksum, std::size_t offset) {
  const std::string size = little_endian(member.content.size(), 4);
  return "PK\1\2" + little_endian(member.host << 8U | 20U, 2) + little_endian(20, 2) +
         little_endian((member.utf8 ? 0x800U : 0U) | member.local_flags, 2) + little_endian(0, 2) +
         little_endian(0, 4) + little_endian(checksum, 4) + size + size + little_endian(member.name.size(), 2) +
         little_endian(member.extra.size(), 2) + little_endian(0, 6) +
         little_endian(std::uint64_t{member.mode} << 16U | member.dos, 4) +
         little_endian(member.offset.value_or(offset), 4) + member.name + member.extra;
}

struct ZipParts {
  std::string members;
  std::string directory;
  std::size_t count = 0;  ///< of those in the directory
};

inline ZipParts zip_parts(const std::vector<ZipMember>& members) {
  ZipParts parts;
  for (const ZipMember& member : members) {
    const auto* content = reinterpret_cast<const Bytef*>(member.content.data());
    const std::uint64_t checksum = crc32(0, content, static_cast<uInt>(member.content.size()));
    if (member.is_listed) {
      parts.directory += zip_entry(member, checksum, parts.members.size());
      ++parts.count;
    }
    if (!member.offset) parts.members += zip_local(member, checksum);
  }
  return parts;
}

inline std::string zip_end(std::size_t count, std::size_t size, std::size_t offset, const std::string& comment = {}) {
  return "PK\5\6" + little_endian(0, 4) + little_endian(count, 2) + little_endian(count, 2) + little_endian(size, 4) +
         little_endian(offset, 4) + little_endian(comment.size(), 2) + comment;
}

inline std::string zip(const std::vector<ZipMember>& members) {
  const ZipParts parts = zip_parts(members);
  return parts.members + parts.directory + zip_end(parts.count, parts.directory.size(), parts.members.size());
}

}  // namespace driftd::test
