#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace driftd::manifests::tool {

/// What a word of an mtree specification stands for, as any mtree writes it: octal escapes, and those of vis(3) in C
/// style (`\s`, `\n`, `\M-i`, `\^A`, `\#`). Nothing where a backslash starts none of them.
std::optional<std::string> decode_vis(std::string_view word);

}  // namespace driftd::manifests::tool
