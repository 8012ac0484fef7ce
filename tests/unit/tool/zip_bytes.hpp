#pragma once

#include <zlib.h>

#include <cstdint>
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
};

inline std::string zip(const std::vector<ZipMember>& members) {
  std::string bytes;
  std::string directory;
  for (const ZipMember& member : members) {
    const auto* content = reinterpret_cast<const Bytef*>(member.content.data());
    const std::uint64_t checksum = crc32(0, content, static_cast<uInt>(member.content.size()));
    const std::string size = little_endian(member.content.size(), 4);
    const std::string common = little_endian(20, 2) + little_endian(member.utf8 ? 0x800 : 0, 2) + little_endian(0, 2) +
                               little_endian(0, 4) + little_endian(checksum, 4) + size + size +
                               little_endian(member.name.size(), 2);
    const std::size_t offset = bytes.size();
    bytes += "PK\3\4" + common + little_endian(0, 2) + member.name + member.content;
    constexpr unsigned kUnix = 3;
    directory += std::string("PK\1\2") + little_endian(kUnix << 8U | 20U, 2) + common +
                 little_endian(member.extra.size(), 2) + little_endian(0, 2) + little_endian(0, 2) +
                 little_endian(0, 2) + little_endian(std::uint64_t{member.mode} << 16U, 4) + little_endian(offset, 4) +
                 member.name + member.extra;
  }
  const std::size_t start = bytes.size();
  bytes += directory + "PK\5\6" + little_endian(0, 4) + little_endian(members.size(), 2) +
           little_endian(members.size(), 2) + little_endian(directory.size(), 4) + little_endian(start, 4) +
           little_endian(0, 2);
  return bytes;
}

}  // namespace driftd::test
