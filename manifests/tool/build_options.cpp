#include "manifests/tool/build_options.hpp"

#include <utility>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests::tool {
namespace {

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

/// As the paths of a release are written: without `./` and a final slash.
std::string plain_path(std::string path) {
  while (path.starts_with("./")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::vector<std::string> plain_paths(const std::vector<std::string>& paths) {
  std::vector<std::string> plain;
  for (const std::string& path : paths) plain.push_back(plain_path(path));
  return plain;
}

Result<std::vector<DeployLink>> parse_links(const std::vector<std::string>& texts) {
  std::vector<DeployLink> links;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return usage("--link '" + escape(text) + "': must be PATH=TARGET");
    }
    links.push_back({plain_path(text.substr(0, equals)), text.substr(equals + 1)});
  }
  return links;
}

}  // namespace

Result<SourceRules> make_rules(const BuildOptions& options, const SourceDefaults& defaults,
                               std::vector<Glob> mutable_globs) {
  SourceRules rules;
  rules.strip_components = options.strip_components;
  rules.subdir = plain_path(options.subdir);
  if (rules.subdir == ".") rules.subdir.clear();
  if (!rules.subdir.empty() && !RelPath::parse(rules.subdir)) {
    return usage("--subdir '" + escape(options.subdir) + "': not a path below the source's root");
  }
  rules.mode = options.mode.value_or(defaults.mode);
  auto owner = parse_owner(options.owner.empty() ? defaults.owner : options.owner);
  if (!owner) return owner.error();
  rules.owner = std::move(*owner);
  rules.blake3 = options.blake3;
  rules.sha256 = options.sha256;
  rules.mutable_globs = std::move(mutable_globs);
  rules.optional_paths = plain_paths(options.optional_paths);
  rules.generated_paths = plain_paths(options.generated_paths);
  auto links = parse_links(options.links);
  if (!links) return links.error();
  rules.links = std::move(*links);
  return rules;
}

}  // namespace driftd::manifests::tool
