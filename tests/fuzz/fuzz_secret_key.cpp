#include <optional>

#include "manifests/minisign.hpp"
#include "tests/fuzz/fuzz.hpp"

using driftd::fuzz::require;
namespace minisign = driftd::manifests::minisign;

// What is taken for a secret key signs for its own public key, and comes back from its own file. Keys with a password
// are not opened: that takes seconds by design.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = driftd::fuzz::as_text(data, size);
  const auto encrypted = minisign::SecretKey::is_encrypted(file);
  const auto key = minisign::SecretKey::parse(file, std::nullopt);
  require(encrypted || !key, "what is no key file is no key");
  require(!encrypted || !*encrypted || !key, "a key with a password does not open without");
  if (!key) return 0;
  const auto signature = minisign::parse_signature(key->sign("message", "comment"));
  require(signature && minisign::verify(*signature, key->public_key(), minisign::prehash("message")),
          "a key's signature fits its public key");
  const auto written = key->write(std::nullopt);
  require(written.has_value(), "a key can be written");
  const auto again = minisign::SecretKey::parse(written->view(), std::nullopt);
  require(again && again->public_key() == key->public_key(), "a key comes back from its file");
  return 0;
}
