#include "daemon/path_problems.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/look.hpp"
#include "scanner/ruling.hpp"

namespace driftd::daemon {
namespace {

namespace fs = std::filesystem;
using manifests::RelPath;
using manifests::UniqueFd;

bool is_nothing(int error) { return error == ENOENT || error == ENOTDIR; }

/// 0, or why there is nothing to be seen; EXDEV where a mount is in the way, which may not answer. Behind a link that
/// leads elsewhere there may be something too.
int error_at(const UniqueFd& root, const fs::path& absolute, const RelPath& path) {
  const scanner::Look look = root ? scanner::look_beneath(root.get(), path) : scanner::Look{ENOENT};
  if (look.error != ELOOP) return look.error;
  std::error_code error;
  const auto type = fs::symlink_status(absolute, error).type();
  if (type == fs::file_type::not_found) return ENOENT;
  return type == fs::file_type::none ? error.value() : 0;
}

/// Of the last component itself; EXDEV where something is mounted.
scanner::Look look_at_path(const fs::path& path) {
  const UniqueFd parent(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return {errno};
  return scanner::look_at(parent.get(), path.has_filename() ? path.filename().c_str() : ".");
}

}  // namespace

void refuse_unknown_paths(const scanner::ScanPlan& plan, TreeReport& report) {
  const UniqueFd root(::open(report.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
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
    const int error = error_at(root, fs::path(report.root) / path.str(), path);
    const bool is_there = error == 0 || error == EXDEV;  // what is mounted there is the scan's business
    if (!is_there && !is_nothing(error)) {
      refuse(path, "unknown", std::generic_category().message(error));
      continue;
    }
    if (!is_there) report.absent.insert(path);
    if (is_there || report.manifest->manifest().find(path.str())) continue;
    refuse(path, "unknown", "neither on the host nor in the manifest");
  }
}

void refuse_entered_links(const std::map<std::string, std::string>& entered, const TreePlaces& places,
                          TreeReport& report) {
  for (const auto& [directory, asked] : entered) {
    const scanner::Look look = look_at_path(directory);
    const bool is_link = look.type == DT_LNK;
    if (!is_link && (look.error == 0 || look.error == EXDEV || is_nothing(look.error))) continue;
    const fs::path link = resolved(fs::path(directory).parent_path()) / fs::path(directory).filename();
    const auto has_link = [&](const auto& place) { return beneath(place.second.root, link).has_value(); };
    if (std::none_of(places.begin(), places.end(), has_link)) continue;
    const auto own = beneath(places.at(report.name).root, link);
    const std::string why = is_link ? "lies behind " + manifests::escape(directory) + ", which is a link"
                                    : std::generic_category().message(look.error);
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
