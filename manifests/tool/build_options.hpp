#pragma once

#include "manifests/error.hpp"
#include "manifests/manifest.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/source_rules.hpp"

/// From what was typed to what is meant.
namespace driftd::manifests::tool {

/// Takes the time from the clock, or from SOURCE_DATE_EPOCH (reproducible-builds.org), and reads the artifact. The
/// mutable rules are left to be filled in.
Result<Header> make_header(const BuildOptions& options);

/// What is recorded of a source unless the options say otherwise.
struct SourceDefaults {
  ModePolicy mode = ModePolicy::exec;
  const char* owner = "none";
};

/// Reads the files of rules.
Result<SourceRules> make_rules(const BuildOptions& options, const SourceDefaults& defaults);

}  // namespace driftd::manifests::tool
