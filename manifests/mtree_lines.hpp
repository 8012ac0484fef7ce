#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/manifest.hpp"

/// Single lines of the format, both ways. Reading here is lenient about form where writing again and comparing
/// (see read_manifest) shows the difference.
namespace driftd::manifests {

/// `path` is raw bytes below the root, `.` for the root itself. Appends one line with its line end.
void append_entry_line(std::string& out, std::string_view path, const Entry& entry);

/// `line` without its line end. `path` receives raw bytes as append_entry_line takes them.
Result<void> parse_entry_line(std::string_view line, std::string& path, Entry& entry);

/// All lines from `#mtree v2.0` to `#content:`.
std::string header_lines(const Header& header, std::uint64_t entries, const Digest& content);

/// The `#mutable` lines, which the content id covers.
std::string mutable_lines(const Header& header);

/// What the header lines say, the two counts of the body included.
struct HeaderLines {
  Header header;
  std::uint64_t entries = 0;
  Digest content;
};

/// Takes one header line after the first two, without its line end, into `lines`.
Result<void> parse_header_line(std::string_view line, HeaderLines& lines);

}  // namespace driftd::manifests
