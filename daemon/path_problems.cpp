#include "daemon/path_problems.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "manifests/escape.hpp"
#include "scanner/ruling.hpp"

namespace driftd::daemon {
namespace {

using manifests::RelPath;

/// A link on the way to a path, which the scan did not follow, though whoever asks for the path does.
std::optional<std::string> link_before(const std::string& root, const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    std::error_code error;
    if (std::filesystem::is_symlink(std::filesystem::path(root) / path.substr(0, slash), error)) {
      return path.substr(0, slash);
    }
  }
  return std::nullopt;
}

/// Told as drift already, or as what a deploy has not come to yet.
bool is_told(const scanner::ScanResult& scan, const std::string& path) {
  const auto is_it = [&](const scanner::Finding& finding) { return finding.path == path; };
  return std::any_of(scan.findings.begin(), scan.findings.end(), is_it) ||
         std::any_of(scan.pending.begin(), scan.pending.end(), is_it);
}

}  // namespace

void refuse_unknown_paths(const scanner::ScanPlan& plan, TreeReport& report) {
  namespace fs = std::filesystem;
  const auto refuse = [&](const RelPath& path, const char* reason, const std::string& why) {
    report.problems.push_back(
        {std::string(kPathProblem), reason, manifests::escape(path.str()) + ": " + why, path.str()});
  };
  for (const RelPath& path : report.asked.paths()) {
    const scanner::Ruling ruling = scanner::ruling_for(plan, path);
    if (ruling.rule == scanner::Rule::nested_tree) {
      refuse(path, "nested", "belongs to another tree, whose root is " + manifests::escape(ruling.at));
      continue;
    }
    // The scan stops there, and what lies behind is no part of the tree.
    if (ruling.rule == scanner::Rule::listed && ruling.at != path.str()) {
      refuse(path, "behind", "lies behind " + manifests::escape(ruling.at) + ", which is no directory in the release");
      continue;
    }
    const auto link = link_before(report.root, path.str());
    if (link && !is_told(*report.scan, *link)) {
      refuse(path, "behind", "lies behind " + manifests::escape(*link) + ", which is a link");
      continue;
    }
    std::error_code error;
    const auto type = fs::symlink_status(fs::path(report.root) / path.str(), error).type();
    if (type == fs::file_type::none) {
      refuse(path, "unknown", error.message());
      continue;
    }
    const bool is_there = type != fs::file_type::not_found;
    if (!is_there) report.absent.insert(path);
    if (is_there || report.manifest->manifest().find(path.str())) continue;
    refuse(path, "unknown", "neither on the host nor in the manifest");
  }
}

void refuse_entered_links(const std::map<std::string, std::string>& entered, const TreePlaces& places,
                          TreeReport& report) {
  namespace fs = std::filesystem;
  for (const auto& [directory, asked] : entered) {
    std::error_code error;
    const auto type = fs::symlink_status(directory, error).type();
    if (type != fs::file_type::symlink && type != fs::file_type::none) continue;
    const fs::path link = resolved(fs::path(directory).parent_path()) / fs::path(directory).filename();
    const auto has_link = [&](const auto& place) { return beneath(place.second.root, link).has_value(); };
    if (std::none_of(places.begin(), places.end(), has_link)) continue;
    const auto own = beneath(places.at(report.name).root, link);
    const bool is_link = type == fs::file_type::symlink;
    const std::string why =
        is_link ? "lies behind " + manifests::escape(directory) + ", which is a link" : error.message();
    report.problems.push_back({std::string(kPathProblem), is_link ? "behind" : "unknown",
                               manifests::escape(asked) + ": " + why, own ? own->str() : "."});
  }
}

void drop_wrong_guesses(std::vector<TreeReport>& trees) {
  const auto refuses = [](const TreeReport& tree, const std::string& path) {
    return std::any_of(tree.problems.begin(), tree.problems.end(),
                       [&](const Problem& problem) { return problem.what == kPathProblem && problem.path == path; });
  };
  const auto knows = [&](const TreeReport& tree, const std::string& path) {
    const auto parsed = RelPath::parse(path);
    return parsed && tree.scan && tree.asked.paths().contains(*parsed) && !refuses(tree, path);
  };
  std::set<std::string> known;
  for (const TreeReport& tree : trees) {
    for (const RelPath& path : tree.asked.paths()) {
      if (knows(tree, path.str())) known.insert(path.str());
    }
  }
  const auto is_wrong_guess = [&](const Problem& problem) {
    return problem.what == kPathProblem && known.contains(problem.path);
  };
  for (TreeReport& tree : trees) {
    const auto is_dropped = [&](const RelPath& path) {
      return known.contains(path.str()) && refuses(tree, path.str());
    };
    const auto& paths = tree.asked.paths();
    const bool was_not_meant = !paths.empty() && std::all_of(paths.begin(), paths.end(), is_dropped);
    std::erase_if(tree.problems, is_wrong_guess);
    if (was_not_meant) tree.asked = {};
  }
  std::erase_if(trees, [](const TreeReport& tree) { return tree.asked.empty(); });
}

}  // namespace driftd::daemon
