#pragma once

#include <vector>

#include "manifests/error.hpp"
#include "manifests/glob.hpp"
#include "manifests/tool/commands.hpp"
#include "manifests/tool/source_rules.hpp"

/// From what was typed to what is meant.
namespace driftd::manifests::tool {

/// What is recorded of a source unless the options say otherwise.
struct SourceDefaults {
  ModePolicy mode = ModePolicy::exec;
  const char* owner = "none";
};

/// `mutable_globs` are those of the header.
Result<SourceRules> make_rules(const BuildOptions& options, const SourceDefaults& defaults,
                               std::vector<Glob> mutable_globs);

}  // namespace driftd::manifests::tool
