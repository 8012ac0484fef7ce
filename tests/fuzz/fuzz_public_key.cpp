#include "manifests/minisign.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace minisign = driftd::manifests::minisign;

// What is taken for a public key file is what would be written for that key.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = driftd::fuzz::as_text(data, size);
  const auto key = minisign::parse_public_key(file);
  if (key) driftd::fuzz::require(minisign::write_public_key(*key) == file, "a public key file has one form");
  return 0;
}
