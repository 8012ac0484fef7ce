#include <array>
#include <cstring>
#include <string>

#include "manifests/base64.hpp"
#include "manifests/minisign.hpp"
#include "tests/fuzz/fuzz.hpp"

using driftd::fuzz::require;
using driftd::manifests::Base64;
using driftd::manifests::to_base64;
namespace minisign = driftd::manifests::minisign;

// What is taken for a signature file is in one form, apart from the text of its first line.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = driftd::fuzz::as_text(data, size);
  const auto signature = minisign::parse_signature(file);
  if (!signature) return 0;
  std::array<unsigned char, 74> bytes{'E', 'D'};
  for (std::size_t i = 0; i < 8; ++i) bytes[2 + i] = static_cast<unsigned char>(signature->key.value >> (8 * i));
  std::memcpy(bytes.data() + 10, signature->bytes.data(), signature->bytes.size());
  std::string written(file.substr(0, file.find('\n') + 1));
  require(written.starts_with("untrusted comment: "), "line 1 starts as it has to");
  written += to_base64(bytes, Base64::standard) + "\ntrusted comment: " + signature->trusted_comment + "\n" +
             to_base64(signature->global, Base64::standard) + "\n";
  require(written == file, "a signature file has one form");

  static const auto key = minisign::SecretKey::generate().public_key();
  minisign::Signature claimed = *signature;
  claimed.key = key.id;
  require(!minisign::verify(claimed, key, minisign::prehash("message")), "nobody signs for a key but who has it");
  return 0;
}
