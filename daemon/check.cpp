#include "daemon/check.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "daemon/clock.hpp"
#include "daemon/tree_loader.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::RelPath;
using manifests::Result;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

Result<std::vector<const TreeConfig*>> chosen_trees(const Config& config, const std::vector<std::string>& names) {
  std::vector<const TreeConfig*> chosen;
  for (const TreeConfig& tree : config.trees) {
    if (names.empty() || std::find(names.begin(), names.end(), tree.name) != names.end()) chosen.push_back(&tree);
  }
  for (const std::string& name : names) {
    if (std::none_of(chosen.begin(), chosen.end(), [&](const auto* tree) { return tree->name == name; })) {
      std::string known;
      for (const TreeConfig& tree : config.trees) known.append(known.empty() ? "" : ", ").append(tree.name);
      return usage("no tree '" + manifests::escape(name) + "' in the configuration, which has: " + known);
    }
  }
  return chosen;
}

namespace fs = std::filesystem;

/// Where an absolute path lies in the tree: `.` for its root. Links are resolved in the part that leads to the root
/// alone; below it a link is what it is, not what it leads to.
std::optional<std::string> path_beneath_root(const fs::path& root, const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  std::error_code error;
  fs::path leading;
  for (auto part = normal.begin(); part != normal.end(); ++part) {
    leading /= *part;
    if (fs::canonical(leading, error) != root || error) continue;
    std::string rest;
    while (++part != normal.end()) {
      if (!part->empty()) rest += (rest.empty() ? "" : "/") + part->native();
    }
    if (rest.empty()) return ".";
    return RelPath::parse(rest) ? std::optional(rest) : std::nullopt;
  }
  return std::nullopt;
}

/// A relative path is taken from the working directory, as anywhere; where that leads out of the tree, from its root.
std::optional<std::string> path_in_tree(const TreeConfig& tree, const std::string& path) {
  std::error_code error;
  const fs::path root = fs::canonical(tree.root, error);
  if (error) return std::nullopt;
  if (auto inside = path_beneath_root(root, fs::absolute(path, error)); inside && !error) return inside;
  return fs::path(path).is_absolute() ? std::nullopt : path_beneath_root(root, root / path);
}

using Scopes = std::vector<scanner::Scope>;  ///< parallel to the chosen trees; empty where nothing was asked of it

Result<Scopes> scopes_for(const std::vector<const TreeConfig*>& trees, const std::vector<std::string>& paths) {
  Scopes scopes(trees.size());
  if (paths.empty()) {
    for (scanner::Scope& scope : scopes) scope.add_whole();
  }
  for (const std::string& path : paths) {
    bool found = false;
    for (std::size_t i = 0; i < trees.size(); ++i) {
      const auto inside = path_in_tree(*trees[i], path);
      if (!inside) continue;
      found = true;
      const auto relative = RelPath::parse(*inside);
      relative ? scopes[i].add(*relative) : scopes[i].add_whole();
    }
    if (!found) return usage(manifests::escape(path) + ": lies in no tree that is checked");
  }
  return scopes;
}

Problem problem(std::string what, const Error& error) {
  return {std::move(what), std::string(to_string(error.code)), error.message};
}

/// A slip of the pen must not be called clean.
void refuse_unknown_paths(const scanner::Scope& scope, TreeReport& report) {
  for (const RelPath& path : scope.paths()) {
    std::error_code error;
    const bool is_there =
        fs::symlink_status(fs::path(report.root) / path.str(), error).type() != fs::file_type::not_found;
    if (is_there || report.manifest->manifest().find(path.str())) continue;
    report.problems.push_back(
        {"path", "unknown", manifests::escape(path.str()) + ": neither on the host nor in the manifest"});
  }
}

TreeReport check_tree(const Config& config, const TreeConfig& tree, const scanner::Scope& scope,
                      const CheckOptions& options, std::int64_t now) {
  TreeReport report;
  report.name = tree.name;
  report.root = tree.root;
  report.partial = !scope.is_whole();
  const auto start = std::chrono::steady_clock::now();
  const TreeLoader loader{config.trees, config.limits.manifest_size};

  const auto policy = options.trust ? Result<manifests::TrustPolicy>(*options.trust) : load_policy(config.trust, tree);
  if (!policy) {
    report.problems.push_back(problem("trust", policy.error()));
    return report;
  }
  auto manifest = loader.load_manifest(tree, *policy, now);
  if (!manifest) {
    report.problems.push_back(problem("manifest", manifest.error()));
    return report;
  }
  report.manifest = *manifest;
  const auto plan = loader.make_plan(tree, *manifest);
  if (!plan) {
    report.problems.push_back(problem("scan", plan.error()));
    return report;
  }
  scanner::ScanOptions scan_options;
  scan_options.threads = options.threads > 0 ? options.threads : config.limits.threads;
  auto result = scanner::scan(**plan, scope, scan_options, {});
  if (result) {
    report.scan = std::move(*result);
    refuse_unknown_paths(scope, report);
  } else {
    report.problems.push_back(problem("scan", result.error()));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

int exit_code(Verdict verdict) {
  switch (verdict) {
    case Verdict::clean: return manifests::kExitClean;
    case Verdict::drift: return manifests::kExitDrift;
    case Verdict::unknown: break;
  }
  return manifests::kExitUnknown;
}

Verdict TreeReport::verdict() const {
  const bool has_drift = scan && !scan->findings.empty();
  return judge(has_drift, scan && scan->unverified.empty() && problems.empty());
}

Verdict CheckReport::verdict() const {
  Verdict all = trees.empty() ? Verdict::unknown : Verdict::clean;
  for (const TreeReport& tree : trees) all = worse(all, tree.verdict());
  return all;
}

Result<CheckReport> check(const Config& config, const CheckOptions& options, const std::string& host) {
  const auto trees = chosen_trees(config, options.trees);
  if (!trees) return trees.error();
  const auto scopes = scopes_for(*trees, options.paths);
  if (!scopes) return scopes.error();
  CheckReport report;
  report.host = host;
  report.checked_at = wall_clock();
  for (std::size_t i = 0; i < trees->size(); ++i) {
    if ((*scopes)[i].empty()) continue;
    report.trees.push_back(check_tree(config, *(*trees)[i], (*scopes)[i], options, report.checked_at));
  }
  return report;
}

}  // namespace driftd::daemon
