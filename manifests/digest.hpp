#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <blake3.h>

struct evp_md_ctx_st;

namespace driftd::manifests {

/// 256 bits of BLAKE3 or SHA-256; which one is known from where it stands.
struct Digest {
  static constexpr std::size_t kSize = 32;
  std::array<unsigned char, kSize> bytes{};

  friend auto operator<=>(const Digest&, const Digest&) = default;
};

std::string to_hex(const Digest& digest);
void append_hex(std::string& out, const Digest& digest);

/// Exactly 64 lower-case hexadecimal digits, else nothing.
std::optional<Digest> parse_hex(std::string_view text);

/// Streaming BLAKE3. One object serves any number of inputs: reset() starts the next.
class Blake3 {
 public:
  Blake3() { reset(); }
  void reset() { blake3_hasher_init(&state_); }
  void update(const void* data, std::size_t size) { blake3_hasher_update(&state_, data, size); }
  void update(std::string_view data) { update(data.data(), data.size()); }
  [[nodiscard]] Digest finish() const;

 private:
  blake3_hasher state_{};
};

/// Streaming SHA-256 by OpenSSL (SHA-NI where the CPU has it). reset() starts the next input.
class Sha256 {
 public:
  Sha256();
  void reset();
  void update(const void* data, std::size_t size);
  /// Ends this input: reset() before the next update().
  [[nodiscard]] Digest finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace driftd::manifests
