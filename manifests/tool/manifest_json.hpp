#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manifests/mtree.hpp"

/// Manifests as JSON (README.md tells the shape). Text that is valid UTF-8 stands exactly under its key; bytes that are
/// not stand escaped there, and exactly under KEY_base64. Nothing deceptive stands raw.
namespace driftd::manifests::tool {

/// One object in one line, without a line end. `path` is raw bytes, `.` for the root.
std::string entry_json(std::string_view path, const Entry& entry);

/// The members of the header, the content id and the number of entries, as one object.
std::string header_json(const ReadManifest& manifest);

/// An array of strings.
std::string list_json(const std::vector<std::string>& texts);

/// Prints a whole manifest, an entry a line, without ever holding the document in memory.
void print_json(const ReadManifest& manifest);

}  // namespace driftd::manifests::tool
