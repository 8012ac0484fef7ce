#pragma once

#include <array>
#include <cstring>
#include <string_view>

#include "manifests/rel_path.hpp"

namespace driftd::scanner {

/// A single path component with the NUL that system calls want, without touching the heap.
class CName {
 public:
  explicit CName(std::string_view name) {  // NOLINT: sets as much as is read
    std::memcpy(text_.data(), name.data(), name.size());
    text_[name.size()] = '\0';
  }
  [[nodiscard]] const char* get() const { return text_.data(); }

 private:
  std::array<char, manifests::kMaxComponent + 1> text_;
};

}  // namespace driftd::scanner
