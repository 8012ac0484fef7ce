#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"

namespace driftd::manifests::tool {

/// The lines of a text that a person or a foreign tool wrote: without their ends, be they LF or CR LF; the last one
/// needs none.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    ++number_;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  /// Of the line that next() gave last, counted from 1.
  [[nodiscard]] std::size_t number() const { return number_; }

  [[nodiscard]] Error error(Error cause) const {
    cause.message.insert(0, "line " + std::to_string(number_) + ": ");
    return cause;
  }
  [[nodiscard]] Error error(std::string why) const { return error(Error{ErrorCode::format, std::move(why)}); }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace driftd::manifests::tool
