#include <string>

#include "manifests/mtree.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/support/manifest_text.hpp"
#include "tests/unit/support/reference_reader.hpp"

using driftd::fuzz::require;
using driftd::manifests::EntryIndex;
using driftd::manifests::KeepDigests;
using driftd::manifests::Manifest;
using driftd::manifests::read_manifest;
using driftd::manifests::write_manifest;

namespace {

void check_tree(const Manifest& manifest) {
  for (EntryIndex entry = 1; entry < manifest.size(); ++entry) {
    require(manifest.find(manifest.path(entry)) == entry, "every path is found where it stands");
    require(manifest.parent(entry) < entry && entry < manifest.subtree_end(manifest.parent(entry)),
            "an entry stands below its parent");
  }
}

void check(const std::string& text) {
  const auto read = read_manifest(text);
  const auto expected = driftd::test::reference_read(text);
  require(read.has_value() == expected.has_value(), "the reader takes what the plain reader takes");
  const auto for_host = read_manifest(text, KeepDigests::one);
  require(read.has_value() == for_host.has_value(), "what is kept of it does not decide what is taken");
  if (!read) {
    require(!read.error().message.empty() && read.error().message == for_host.error().message,
            "a refusal has a reason");
    return;
  }
  require(write_manifest(read->manifest) == text, "what was read is written as the same bytes");
  require(write_manifest(*expected) == text, "the plain reader reads the same");
  check_tree(for_host->manifest);
}

}  // namespace

// As it is, and with a count and a content id that fit: otherwise these would refuse nearly all that comes.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(driftd::fuzz::as_text(data, size));
  check(text);
  if (!text.empty()) check(driftd::test::recount(text));
  return 0;
}
