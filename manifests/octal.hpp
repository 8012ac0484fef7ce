#pragma once

#include <string>
#include <string_view>

/// The escapes of mtree(5): `\ooo` for a byte that may not stand as itself.
namespace driftd::manifests {

/// Appends `raw` with every byte outside printable ASCII, and space, `\`, `#`, `*`, `?`, `[`, as `\ooo`.
void append_octal(std::string& out, std::string_view raw);

/// Appends what `escaped` stands for. False where a backslash is not followed by three octal digits up to \377.
bool unescape_octal(std::string_view escaped, std::string& out);

/// Takes off the front of `text` what append_octal() wrote, up to the first byte that it never writes. `raw` is what it
/// stands for: a part of `text` where nothing had to be escaped, else of `buffer`. False where an escape is malformed
/// or stands for a byte that needs none.
bool take_canonical_octal(std::string_view& text, std::string& buffer, std::string_view& raw);

}  // namespace driftd::manifests
