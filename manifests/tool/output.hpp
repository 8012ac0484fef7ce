#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"
#include "manifests/mtree.hpp"

/// Where the commands' results go.
namespace driftd::manifests::tool {

/// To stdout, or to the file that `output` names unless it is empty, whole or not at all.
Result<void> write_output(std::string_view text, const std::string& output);

/// What a manifest's `output` would destroy, before any work is done for it: refused where it is one of the inputs
/// (`-`: standard input), or exists and does not start as a manifest does. An empty file may be replaced.
Result<void> require_manifest_output(const std::string& output, const std::vector<std::string>& inputs);

/// A manifest's canonical bytes, and what the strict reader takes them for.
struct CanonicalText {
  std::string bytes;
  ReadManifest read;
};

/// An error where the reader refuses what was written: no host would take it.
Result<CanonicalText> canonical_text(const Manifest& manifest);

/// A number of paths that a person should know of; 0 is not told.
struct Note {
  const char* what;
  std::size_t paths;
  std::vector<std::string> first{};  ///< some of them, raw
};

/// What only the maker of a manifest can tell of it.
struct NewManifest {
  std::string source;  ///< what it was made from; empty: not worth telling
  std::vector<Note> notes;
};

/// Writes as write_output() does. Then tells on stderr what was written, what it leaves unchecked, and what comes next.
Result<void> write_new_manifest(const CanonicalText& manifest, const std::string& output, const NewManifest& told = {});

}  // namespace driftd::manifests::tool
