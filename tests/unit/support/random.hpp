#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace driftd::test {

/// Random input that is the same in every run, so that a failure can be repeated.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 to `bound` - 1.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }
  std::uint64_t number() { return engine_(); }
  bool one_in(std::size_t chances) { return below(chances) == 0; }

  template <class Container>
  const auto& pick(const Container& container) {
    return container[below(container.size())];
  }

  std::string from(std::string_view alphabet, std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = pick(alphabet);
    return text;
  }
  std::string bytes(std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(below(256));
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace driftd::test
