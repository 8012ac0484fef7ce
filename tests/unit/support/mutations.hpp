#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

/// All the small ways to damage a text.
namespace driftd::test {

/// Calls `visit(changed, at)` for every bit of every byte, `at` being the byte.
template <class Visit>
void for_each_bit_flip(std::string_view text, Visit visit) {
  std::string changed(text);
  for (std::size_t at = 0; at < changed.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const char before = changed[at];
      changed[at] = static_cast<char>(static_cast<unsigned char>(before) ^ (1U << bit));
      visit(std::as_const(changed), at);
      changed[at] = before;
    }
  }
}

/// Calls `visit(start)` for every proper prefix, from the empty one on.
template <class Visit>
void for_each_truncation(std::string_view text, Visit visit) {
  for (std::size_t size = 0; size < text.size(); ++size) visit(text.substr(0, size));
}

}  // namespace driftd::test
