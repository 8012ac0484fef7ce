#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/error.hpp"

namespace driftd::manifests {

inline constexpr std::size_t kMaxGlob = 1024;

/// One `#mutable` rule. `*` stands for any bytes within a component, a component `**` for zero or more components;
/// everything else is literal, with the `\ooo` escapes of the manifest format. Matching backtracks to the last
/// wildcard only, so its time is bounded by the product of the two lengths.
class Glob {
 public:
  /// Refused: bytes outside printable ASCII, an absolute or empty pattern, `.` and `..`, `?` and `[` (they would look
  /// like wildcards), `**` beside other bytes of a component, and a pattern without one wholly literal component, which
  /// would cover nearly all.
  static Result<Glob> parse(std::string_view text);

  [[nodiscard]] bool matches(std::string_view path) const;

  /// The directory that a rule of the form LITERAL/** covers with all below, as raw bytes; else nothing.
  [[nodiscard]] std::optional<std::string> literal_directory() const;

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Glob() = default;

  std::string text_;
  /// Raw bytes of each component with a NUL for `*`, which no name can hold; an empty one stands for `**`.
  std::vector<std::string> components_;
};

}  // namespace driftd::manifests
