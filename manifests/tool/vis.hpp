#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace driftd::manifests::tool {

/// What a word of an mtree specification stands for, as any mtree writes it: octal escapes, and those of vis(3) in C
/// style (`\s`, `\n`, `\M-i`, `\^A`, `\#`). Nothing where a backslash starts none of them.
std::optional<std::string> decode_vis(std::string_view word);

/// Where `wanted` stands as itself and not as a part of an escape, such as the slash of `\M-/`; else npos.
std::size_t find_unescaped(std::string_view word, char wanted);

/// True where the last character is a backslash that belongs to no escape, unlike that of `\\` or `\M^\`.
bool ends_with_bare_backslash(std::string_view line);

}  // namespace driftd::manifests::tool
