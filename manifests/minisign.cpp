#include "manifests/minisign.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include <openssl/evp.h>
#include <sodium.h>

#include "manifests/base64.hpp"
#include "manifests/escape.hpp"

namespace driftd::manifests::minisign {
namespace {

constexpr std::string_view kUntrusted = "untrusted comment: ";
constexpr std::string_view kTrusted = "trusted comment: ";

template <std::size_t Size>
using Bytes = std::array<unsigned char, Size>;

KeyId key_id(std::span<const unsigned char, 8> little_endian) {
  KeyId id;
  for (std::size_t i = 8; i > 0; --i) id.value = id.value << 8U | little_endian[i - 1];
  return id;
}

void put_key_id(std::span<unsigned char, 8> little_endian, KeyId id) {
  for (std::size_t i = 0; i < 8; ++i) little_endian[i] = static_cast<unsigned char>(id.value >> (8 * i));
}

/// Splits off the next line, which must end with LF.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

template <std::size_t Size>
bool take_base64_line(std::string_view& text, Bytes<Size>& out) {
  const auto line = take_line(text);
  return line && parse_base64(*line, out, Base64::standard);
}

bool take_untrusted_comment(std::string_view& text) {
  const auto line = take_line(text);
  return line && line->starts_with(kUntrusted);
}

Error bad_key(const std::string& what) { return {ErrorCode::trust, "not a minisign " + what}; }

Error bad_signature(std::string_view why) { return {ErrorCode::signature, "bad signature file: " + std::string(why)}; }

/// What the global signature covers: the signature, then the trusted comment.
std::string global_message(const Bytes<64>& signature, std::string_view trusted_comment) {
  std::string message(reinterpret_cast<const char*>(signature.data()), signature.size());
  message += trusted_comment;
  return message;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// The secret key file's 158 bytes (layout: minisign.h, SeckeyStruct).
struct SecretFile {
  static constexpr std::size_t kSize = 158;
  static constexpr std::size_t kSalt = 6;
  static constexpr std::size_t kOpsLimit = 38;
  static constexpr std::size_t kMemLimit = 46;
  static constexpr std::size_t kKeyId = 54;
  static constexpr std::size_t kSecret = 62;
  static constexpr std::size_t kChecksum = 126;

  /// Wiped on every way out.
  Bytes<kSize> bytes{};
  SecretFile() = default;
  SecretFile(SecretFile&&) = default;
  SecretFile& operator=(SecretFile&&) = default;
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  ~SecretFile() { sodium_memzero(bytes.data(), bytes.size()); }

  [[nodiscard]] bool encrypted() const { return bytes[2] == 'S'; }

  [[nodiscard]] Bytes<32> checksum() const {
    Bytes<32> sum{};
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, sum.size());
    crypto_generichash_update(&state, bytes.data(), 2);
    crypto_generichash_update(&state, bytes.data() + kKeyId, kChecksum - kKeyId);
    crypto_generichash_final(&state, sum.data(), sum.size());
    sodium_memzero(&state, sizeof state);
    return sum;
  }

  [[nodiscard]] std::uint64_t number(std::size_t at) const {
    return key_id(std::span<const unsigned char, 8>(bytes.data() + at, 8)).value;
  }
  void put_number(std::size_t at, std::uint64_t value) {
    put_key_id(std::span<unsigned char, 8>(bytes.data() + at, 8), KeyId{value});
  }

  /// XORs everything from the key id on with the scrypt output for the password; the same both ways.
  [[nodiscard]] Result<void> mask(std::string_view password) {
    Bytes<kSize - kKeyId> stream{};
    const int status = crypto_pwhash_scryptsalsa208sha256(stream.data(), stream.size(), password.data(),
                                                          password.size(), bytes.data() + kSalt, number(kOpsLimit),
                                                          static_cast<std::size_t>(number(kMemLimit)));
    if (status != 0) {
      return Error{ErrorCode::io, "deriving the key from the password wants more memory than there is (" +
                                      std::to_string(number(kMemLimit) >> 20U) + " MiB)"};
    }
    for (std::size_t i = 0; i < stream.size(); ++i) bytes[kKeyId + i] ^= stream[i];
    sodium_memzero(stream.data(), stream.size());
    return {};
  }
};

Result<SecretFile> parse_secret_file(std::string_view file) {
  SecretFile secret;
  if (!take_untrusted_comment(file) || !take_base64_line(file, secret.bytes) || !file.empty()) {
    return bad_key("secret key file");
  }
  const auto tag_is = [&](std::size_t at, const char* tag) {
    return std::memcmp(secret.bytes.data() + at, tag, 2) == 0;
  };
  const bool has_no_password = secret.bytes[2] == 0 && secret.bytes[3] == 0;
  if (!tag_is(0, "Ed") || !tag_is(4, "B2") || !(tag_is(2, "Sc") || has_no_password)) {
    return bad_key("secret key file of a kind that is known here (Ed25519, scrypt or no password, BLAKE2b)");
  }
  // The stock tool's own upper limits; a file may not ask for more work than it would.
  if (secret.encrypted() && (secret.number(SecretFile::kMemLimit) > (std::uint64_t{1} << 30U) ||
                             secret.number(SecretFile::kOpsLimit) > (std::uint64_t{1} << 25U))) {
    return bad_key("secret key file with usual scrypt limits");
  }
  return secret;
}

}  // namespace

std::string to_string(KeyId id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llX", static_cast<unsigned long long>(id.value));
  return text;
}

std::optional<KeyId> parse_key_id(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  KeyId id;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'A' || c > 'F')) return std::nullopt;
    id.value = id.value << 4U | static_cast<unsigned>(digit ? c - '0' : c - 'A' + 10);
  }
  return id;
}

namespace {

std::string public_key_file(const PublicKey& key, std::string_view id) {
  Bytes<42> bytes{'E', 'd'};
  put_key_id(std::span<unsigned char, 8>(bytes.data() + 2, 8), key.id);
  std::memcpy(bytes.data() + 10, key.bytes.data(), key.bytes.size());
  return std::string(kUntrusted) + "minisign public key " + std::string(id) + "\n" +
         to_base64(bytes, Base64::standard) + "\n";
}

}  // namespace

Result<PublicKey> parse_public_key(std::string_view file) {
  const std::string_view whole = file;
  Bytes<42> bytes{};
  if (!take_untrusted_comment(file) || !take_base64_line(file, bytes) || !file.empty() || bytes[0] != 'E' ||
      bytes[1] != 'd') {
    return bad_key("public key file");
  }
  PublicKey key;
  key.id = key_id(std::span<const unsigned char, 8>(bytes.data() + 2, 8));
  std::memcpy(key.bytes.data(), bytes.data() + 10, key.bytes.size());
  // The stock tool leaves the id's leading zeros out.
  std::string id = to_string(key.id);
  id.erase(0, std::min(id.find_first_not_of('0'), id.size() - 1));
  if (whole != write_public_key(key) && whole != public_key_file(key, id)) {
    return bad_key("public key file: its first line must be 'untrusted comment: minisign public key " +
                   to_string(key.id) + "'");
  }
  // Points of small order would let a signature fit any message.
  if (crypto_core_ed25519_is_valid_point(key.bytes.data()) != 1) return bad_key("public key: not a point of the curve");
  return key;
}

std::string write_public_key(const PublicKey& key) { return public_key_file(key, to_string(key.id)); }

Result<Signature> parse_signature(std::string_view file) {
  if (file.size() > kMaxSignatureFile) return bad_signature("larger than 4 KiB");
  Bytes<74> bytes{};
  Signature signature;
  if (!take_untrusted_comment(file)) return bad_signature("line 1 must start with 'untrusted comment: '");
  if (!take_base64_line(file, bytes)) return bad_signature("line 2 must be the base64 of 74 bytes");
  if (bytes[0] == 'E' && bytes[1] == 'd') {
    return bad_signature("the legacy form that is not prehashed (sign with minisign 0.10 or later, or with -H)");
  }
  if (bytes[0] != 'E' || bytes[1] != 'D') return bad_signature("unknown algorithm");
  const auto comment = take_line(file);
  if (!comment || !comment->starts_with(kTrusted)) return bad_signature("line 3 must start with 'trusted comment: '");
  if (!take_base64_line(file, signature.global)) return bad_signature("line 4 must be the base64 of 64 bytes");
  if (!file.empty()) return bad_signature("something follows line 4");
  signature.key = key_id(std::span<const unsigned char, 8>(bytes.data() + 2, 8));
  std::memcpy(signature.bytes.data(), bytes.data() + 10, signature.bytes.size());
  signature.trusted_comment = comment->substr(kTrusted.size());
  return signature;
}

Prehash prehash(std::string_view message) {
  Prehasher hasher;
  hasher.update(message);
  return hasher.finish();
}

// By OpenSSL, which is up to twice as fast here as libsodium (whose AVX2 code is slow on newer CPUs); libsodium where
// OpenSSL is restricted, as in FIPS mode.
struct Prehasher::State {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> fast{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  crypto_generichash_state plain{};
};

Prehasher::Prehasher() : state_(std::make_unique<State>()) {
  if (state_->fast && EVP_DigestInit_ex(state_->fast.get(), EVP_blake2b512(), nullptr) == 1) return;
  state_->fast.reset();
  crypto_generichash_init(&state_->plain, nullptr, 0, std::tuple_size_v<Prehash>);
}

Prehasher::~Prehasher() = default;

void Prehasher::update(std::string_view piece) {
  if (!state_->fast) {
    crypto_generichash_update(&state_->plain, bytes_of(piece), piece.size());
  } else if (EVP_DigestUpdate(state_->fast.get(), piece.data(), piece.size()) != 1) {
    std::abort();  // for want of memory only; going on would mean a wrong hash
  }
}

Prehash Prehasher::finish() {
  Prehash hash{};
  if (!state_->fast) {
    crypto_generichash_final(&state_->plain, hash.data(), hash.size());
  } else if (unsigned int size = 0;
             EVP_DigestFinal_ex(state_->fast.get(), hash.data(), &size) != 1 || size != hash.size()) {
    std::abort();
  }
  return hash;
}

bool verify(const Signature& signature, const PublicKey& key, const Prehash& message) {
  if (signature.key != key.id) return false;
  const std::string global = global_message(signature.bytes, signature.trusted_comment);
  return crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(), key.bytes.data()) == 0 &&
         crypto_sign_verify_detached(signature.global.data(), bytes_of(global), global.size(), key.bytes.data()) == 0;
}

void SecretKey::Wipe::operator()(Pair* pair) const { sodium_free(pair); }

SecretKey::SecretKey() : pair_(static_cast<Pair*>(sodium_malloc(sizeof(Pair)))) {
  if (!pair_) std::abort();  // no locked memory for one key: nothing sensible is left to do
}

SecretKey SecretKey::generate() {
  SecretKey key;
  PublicKey unused;
  crypto_sign_keypair(unused.bytes.data(), key.pair_->secret.data());
  randombytes_buf(key.pair_->id.data(), key.pair_->id.size());
  return key;
}

Result<bool> SecretKey::is_encrypted(std::string_view file) {
  auto secret = parse_secret_file(file);
  if (!secret) return secret.error();
  return secret->encrypted();
}

Result<SecretKey> SecretKey::parse(std::string_view file, std::optional<std::string_view> password) {
  auto secret = parse_secret_file(file);
  if (!secret) return secret.error();
  if (secret->encrypted()) {
    if (!password) return Error{ErrorCode::usage, "the key has a password, and none was given"};
    if (auto unmasked = secret->mask(*password); !unmasked) return unmasked.error();
    const auto sum = secret->checksum();
    if (sodium_memcmp(sum.data(), secret->bytes.data() + SecretFile::kChecksum, sum.size()) != 0) {
      return Error{ErrorCode::io, "wrong password for the key"};
    }
  }
  SecretKey key;
  std::memcpy(key.pair_->id.data(), secret->bytes.data() + SecretFile::kKeyId, key.pair_->id.size());
  std::memcpy(key.pair_->secret.data(), secret->bytes.data() + SecretFile::kSecret, key.pair_->secret.size());
  // A key whose halves do not belong together would leak its secret with the first signature.
  Bytes<32> seed{};
  Bytes<32> derived{};
  Bytes<64> expanded{};
  crypto_sign_ed25519_sk_to_seed(seed.data(), key.pair_->secret.data());
  crypto_sign_seed_keypair(derived.data(), expanded.data(), seed.data());
  const bool fits = sodium_memcmp(expanded.data(), key.pair_->secret.data(), expanded.size()) == 0;
  sodium_memzero(seed.data(), seed.size());
  sodium_memzero(expanded.data(), expanded.size());
  if (!fits) return bad_key("secret key: its two halves do not belong together");
  return key;
}

Result<SecretText> SecretKey::write(std::optional<std::string_view> password) const {
  SecretFile file;
  file.bytes[0] = 'E', file.bytes[1] = 'd', file.bytes[4] = 'B', file.bytes[5] = '2';
  std::memcpy(file.bytes.data() + SecretFile::kKeyId, pair_->id.data(), pair_->id.size());
  std::memcpy(file.bytes.data() + SecretFile::kSecret, pair_->secret.data(), pair_->secret.size());
  if (password) {
    file.bytes[2] = 'S', file.bytes[3] = 'c';
    randombytes_buf(file.bytes.data() + SecretFile::kSalt, 32);
    file.put_number(SecretFile::kOpsLimit, crypto_pwhash_scryptsalsa208sha256_opslimit_sensitive());
    file.put_number(SecretFile::kMemLimit, crypto_pwhash_scryptsalsa208sha256_memlimit_sensitive());
    const auto sum = file.checksum();
    std::memcpy(file.bytes.data() + SecretFile::kChecksum, sum.data(), sum.size());
    if (auto masked = file.mask(*password); !masked) return masked.error();
  }
  // Into the wiped memory directly, past any std::string. libsodium counts the terminating NUL, here the LF's place.
  const std::string comment = std::string(kUntrusted) + "minisign encrypted secret key\n";
  const std::size_t base64_size = sodium_base64_encoded_len(file.bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  SecretText text(comment.size() + base64_size);
  std::memcpy(text.data(), comment.data(), comment.size());
  sodium_bin2base64(text.data() + comment.size(), base64_size, file.bytes.data(), file.bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.data()[text.size() - 1] = '\n';
  return text;
}

PublicKey SecretKey::public_key() const {
  PublicKey key;
  key.id = key_id(pair_->id);
  crypto_sign_ed25519_sk_to_pk(key.bytes.data(), pair_->secret.data());
  return key;
}

std::string SecretKey::sign(std::string_view message, std::string_view trusted_comment) const {
  const Prehash hash = prehash(message);
  Bytes<74> bytes{'E', 'D'};
  Bytes<64> signature{};
  crypto_sign_detached(signature.data(), nullptr, hash.data(), hash.size(), pair_->secret.data());
  std::memcpy(bytes.data() + 2, pair_->id.data(), pair_->id.size());
  std::memcpy(bytes.data() + 10, signature.data(), signature.size());
  const std::string covered = global_message(signature, trusted_comment);
  Bytes<64> global{};
  crypto_sign_detached(global.data(), nullptr, bytes_of(covered), covered.size(), pair_->secret.data());
  return std::string(kUntrusted) + "signature from driftd-manifest, key " + to_string(key_id(pair_->id)) + "\n" +
         to_base64(bytes, Base64::standard) + "\n" + std::string(kTrusted) + std::string(trusted_comment) + "\n" +
         to_base64(global, Base64::standard) + "\n";
}

}  // namespace driftd::manifests::minisign
