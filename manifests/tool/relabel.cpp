#include <cassert>
#include <string>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/inputs.hpp"
#include "manifests/tool/output.hpp"

namespace driftd::manifests::tool {

Result<void> relabel(const RelabelOptions& options) {
  Header header;
  if (auto identified = identify(options.identity, header); !identified) return identified.error();
  std::vector<std::string> inputs = options.trust.public_keys;
  inputs.push_back(options.file);
  if (auto free = require_manifest_output(options.output, inputs); !free) return free;
  const auto verified = load_verified(options.file, options.trust);
  if (!verified) return verified.error();
  const Manifest& old = verified->manifest();
  header.name = old.header().name;
  header.source = old.header().source;
  header.artifact = old.header().artifact;
  header.pipeline = old.header().pipeline;
  header.mutable_globs = old.header().mutable_globs;
  if (header.sequence <= old.header().sequence) {
    // No host that has seen the old one would take it.
    return Error{ErrorCode::usage, "--sequence " + std::to_string(header.sequence) + ": must be higher than " +
                                       std::to_string(old.header().sequence) + ", that of " + escape(options.file)};
  }
  ManifestBuilder builder(std::move(header));
  for (EntryIndex entry = 0; entry < old.size(); ++entry) {
    if (auto added = builder.add(entry == kRootEntry ? "." : old.path(entry), old.entry(entry)); !added) return added;
  }
  const auto manifest = std::move(builder).finish();
  if (!manifest) return manifest.error();
  const auto text = canonical_text(*manifest);
  if (!text) return text.error();
  assert(text->read.content == verified->content());
  return write_new_manifest(*text, options.output);
}

}  // namespace driftd::manifests::tool
