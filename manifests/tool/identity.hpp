#pragma once

#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"

/// A release's header from what the command line says. Errors are of the kind `usage` where an option is wrong, and
/// name it.
namespace driftd::manifests::tool {

/// What tells one release of the same content from another.
struct IdentityOptions {
  std::string release;
  std::string sequence;  ///< a number, or `now`
  std::string expires;   ///< a duration as in 90d; empty: never
  std::vector<std::string> overrides;
  std::vector<std::string> labels;  ///< KEY=VALUE
};

/// Sets release, sequence, created, expires, overrides and labels. `created` is SOURCE_DATE_EPOCH, which makes a build
/// repeatable (reproducible-builds.org), else the clock. Refused: an expiry that counts from it and has passed by the
/// clock.
Result<void> identify(const IdentityOptions& options, Header& header);

struct HeaderOptions {
  std::string name;
  IdentityOptions identity;
  std::string source_url;
  std::string artifact;  ///< a file, or empty; it is read and its SHA-256 recorded
  std::string pipeline;
  std::vector<std::string> mutable_globs;
  std::vector<std::string> mutable_files;  ///< a glob a line, `#` starts a comment
};

/// Reads the artifact last, when all else is known to be right.
Result<Header> make_header(const HeaderOptions& options);

}  // namespace driftd::manifests::tool
