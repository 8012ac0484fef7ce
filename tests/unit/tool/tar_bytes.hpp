#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

/// Tar archives byte by byte, so that they can be what no archiver would write.
namespace driftd::test {

struct TarMember {
  std::string name;
  char type = '0';
  std::string content;
  std::string link;
  unsigned mode = 0644;
  /// Stands in the header instead of the content's true size.
  std::string size_field;
};

inline std::string padded(std::string text) {
  text.resize((text.size() + 511) / 512 * 512, '\0');
  return text;
}

/// A ustar header with a right checksum, and the content in full blocks.
inline std::string tar_member(const TarMember& member) {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  const auto octal = [](std::uint64_t number, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(number));
    return std::string(text);
  };
  put(0, member.name.substr(0, 100));
  put(100, octal(member.mode, 7));
  put(108, octal(1000, 7));
  put(116, octal(33, 7));
  put(124, member.size_field.empty() ? octal(member.content.size(), 11) : member.size_field);
  put(136, octal(0, 11));
  put(148, "        ");
  header[156] = member.type;
  put(157, member.link.substr(0, 100));
  put(257, std::string_view("ustar\00000", 8));
  put(265, "app");
  put(297, "www");
  std::uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  return header + padded(member.content);
}

/// One record of a pax header: its length counts itself.
inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

inline std::string pax_header(const std::string& records, char type = 'x') {
  return tar_member({.name = "pax_global_header", .type = type, .content = records, .link = {}, .size_field = {}});
}

inline std::string tar_end() { return std::string(1024, '\0'); }

inline std::string tar(const std::vector<TarMember>& members) {
  std::string bytes;
  for (const TarMember& member : members) bytes += tar_member(member);
  return bytes + tar_end();
}

inline TarMember tar_file(std::string name, std::string content = "hello", unsigned mode = 0644) {
  return {.name = std::move(name), .content = std::move(content), .link = {}, .mode = mode, .size_field = {}};
}
inline TarMember tar_dir(std::string name) {
  return {.name = std::move(name), .type = '5', .content = {}, .link = {}, .mode = 0755, .size_field = {}};
}
inline TarMember tar_symlink(std::string name, std::string target) {
  return {.name = std::move(name), .type = '2', .content = {}, .link = std::move(target), .size_field = {}};
}
inline TarMember tar_hard_link(std::string name, std::string target, std::string content = {}) {
  return {
      .name = std::move(name), .type = '1', .content = std::move(content), .link = std::move(target), .size_field = {}};
}

}  // namespace driftd::test
