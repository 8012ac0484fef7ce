#pragma once

#include <string>
#include <string_view>

/// The escapes of mtree(5): `\ooo` for a byte that may not stand as itself.
namespace driftd::manifests {

/// Appends `raw` with every byte outside printable ASCII, and space, `\`, `#`, `*`, `?`, `[`, as `\ooo`.
void append_octal(std::string& out, std::string_view raw);

/// Appends what `escaped` stands for. False where a backslash is not followed by three octal digits up to \377.
bool unescape_octal(std::string_view escaped, std::string& out);

}  // namespace driftd::manifests
