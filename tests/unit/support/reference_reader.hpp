#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "manifests/manifest.hpp"
#include "manifests/mtree_lines.hpp"
#include "tests/unit/support/make_release.hpp"

/// The reader of manifests told in the plainest way, slow and without a message: what any faster one must agree with.
namespace driftd::test {

/// Reads a line whatever its form, writes it again, and takes it if that is the same.
inline bool reference_line(std::string_view line, std::string& path, manifests::Entry& entry) {
  if (!manifests::parse_entry_line(line, path, entry)) return false;
  std::string written;
  manifests::append_entry_line(written, path, entry);
  return written == std::string(line) + "\n";
}

/// The manifest that `text` is, or nothing.
inline std::optional<manifests::Manifest> reference_read(std::string_view text) {
  constexpr std::string_view kStart = "#mtree v2.0\n#driftd 1\n";
  if (!text.starts_with(kStart) || !text.ends_with('\n')) return std::nullopt;
  std::size_t at = kStart.size();
  const auto next = [&] {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    return line;
  };
  manifests::HeaderLines header;
  while (at < text.size() && text[at] == '#') {
    if (!manifests::parse_header_line(next(), header)) return std::nullopt;
  }
  const std::string_view body = text.substr(at);
  if (at > 64 * 1024 || text.substr(0, at) != manifests::header_lines(header.header, header.entries, header.content) ||
      blake3_of(manifests::mutable_lines(header.header).append(body)) != header.content) {
    return std::nullopt;
  }
  manifests::ManifestBuilder builder(header.header);
  std::string path;
  manifests::Entry entry;
  while (at < text.size()) {
    if (!reference_line(next(), path, entry) || !builder.add(path, entry)) return std::nullopt;
  }
  auto manifest = std::move(builder).finish();
  if (!manifest || manifest->size() != header.entries) return std::nullopt;
  return std::move(*manifest);
}

}  // namespace driftd::test
