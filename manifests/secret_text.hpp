#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace driftd::manifests {

/// Text that must not linger in memory: locked, guarded, and wiped when it goes (libsodium's sodium_malloc).
class SecretText {
 public:
  /// `size` zero bytes.
  explicit SecretText(std::size_t size);
  explicit SecretText(std::string_view text);

  [[nodiscard]] char* data() { return memory_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view view() const { return {memory_.get(), size_}; }
  void truncate(std::size_t size);

 private:
  struct Wipe {
    void operator()(char* memory) const;
  };
  std::unique_ptr<char, Wipe> memory_;
  std::size_t size_;
};

}  // namespace driftd::manifests
