#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/secret_text.hpp"

/// Detached signatures in the form of minisign (https://jedisct1.github.io/minisign/, "Signature format"), prehashed
/// (`ED`: Ed25519 over BLAKE2b-512 of the file) only. Stricter than the stock tool when verifying: canonical base64,
/// exactly four lines ended by LF, nothing behind them, no legacy signatures.
namespace driftd::manifests::minisign {

inline constexpr std::size_t kMaxSignatureFile = 4 * 1024;
inline constexpr std::size_t kMaxKeyFile = 4 * 1024;

/// The eight bytes that name a key pair, as the little-endian number that minisign prints.
struct KeyId {
  std::uint64_t value = 0;
  friend auto operator<=>(const KeyId&, const KeyId&) = default;
};
/// Sixteen upper-case hexadecimal digits.
std::string to_string(KeyId id);
std::optional<KeyId> parse_key_id(std::string_view text);

struct PublicKey {
  KeyId id;
  std::array<unsigned char, 32> bytes{};
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

/// Reads a whole public key file. Keys of small order and other points that are no keys are refused.
Result<PublicKey> parse_public_key(std::string_view file);
std::string write_public_key(const PublicKey& key);

/// A signature file taken apart; says nothing of its validity.
struct Signature {
  KeyId key;
  std::array<unsigned char, 64> bytes{};
  std::string trusted_comment;
  std::array<unsigned char, 64> global{};  ///< over bytes and the trusted comment
};
Result<Signature> parse_signature(std::string_view file);

/// BLAKE2b-512 of a file: what is signed. Computed once for any number of signatures.
using Prehash = std::array<unsigned char, 64>;
Prehash prehash(std::string_view message);

/// As prehash(), of a message that comes in pieces.
class Prehasher {
 public:
  Prehasher();
  Prehasher(const Prehasher&) = delete;
  Prehasher& operator=(const Prehasher&) = delete;
  ~Prehasher();
  void update(std::string_view piece);
  /// Once, at the end.
  [[nodiscard]] Prehash finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// True where `key` made this signature over the message and the trusted comment.
bool verify(const Signature& signature, const PublicKey& key, const Prehash& message);

/// An Ed25519 key pair in memory that is locked, guarded and wiped (sodium_malloc). Nothing prints it.
class SecretKey {
 public:
  static SecretKey generate();

  /// Reads a whole secret key file, with or without a password. `password` is used where the file wants one; a
  /// missing one is a `usage` error, a wrong one says so.
  static Result<SecretKey> parse(std::string_view file, std::optional<std::string_view> password);

  /// True where parse() will want a password.
  static Result<bool> is_encrypted(std::string_view file);

  /// The text of a secret key file. An absent password leaves the key unencrypted.
  [[nodiscard]] Result<SecretText> write(std::optional<std::string_view> password) const;

  [[nodiscard]] PublicKey public_key() const;

  /// The text of a signature file. The comment must be printable.
  [[nodiscard]] std::string sign(std::string_view message, std::string_view trusted_comment) const;

 private:
  struct Pair {
    std::array<unsigned char, 8> id;
    std::array<unsigned char, 64> secret;  ///< libsodium's form: seed, then public key
  };
  struct Wipe {
    void operator()(Pair* pair) const;
  };
  SecretKey();

  std::unique_ptr<Pair, Wipe> pair_;
};

}  // namespace driftd::manifests::minisign
