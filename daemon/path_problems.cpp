#include "daemon/path_problems.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <system_error>

#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/look.hpp"
#include "scanner/ruling.hpp"

namespace driftd::daemon {
namespace {

using manifests::RelPath;
using manifests::UniqueFd;
using scanner::Look;

/// As scanner::look_beneath(): what is mounted in the tree may not answer.
Look look_beneath(const UniqueFd& root, const std::string& path) {
  return root ? scanner::look_beneath(root.get(), *RelPath::parse(path)) : Look{ENOENT};
}

bool is_nothing(int error) { return error == ENOENT || error == ENOTDIR; }

/// A link on the way to a path, which the scan did not follow, though whoever asks for the path does.
std::optional<std::string> link_before(const UniqueFd& root, const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    std::string above = path.substr(0, slash);
    if (look_beneath(root, above).type == DT_LNK) return above;
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
    const Look look = look_beneath(root, path.str());
    const bool may_be_behind = look.error == ELOOP || look.error == ENOTDIR;
    const auto link = may_be_behind ? link_before(root, path.str()) : std::nullopt;
    if (link) {
      if (is_told(*report.scan, *link)) continue;  // and where it leads need not answer
      refuse(path, "behind", "lies behind " + manifests::escape(*link) + ", which is a link");
      continue;
    }
    const bool is_there = look.error == 0 || look.error == EXDEV;  // what is mounted there is the scan's business
    if (!is_there && !is_nothing(look.error)) {
      refuse(path, "unknown", std::generic_category().message(look.error));
      continue;
    }
    if (!is_there) report.absent.insert(path);
    if (is_there || report.manifest->manifest().find(path.str())) continue;
    refuse(path, "unknown", "neither on the host nor in the manifest");
  }
}

void refuse_detours(const std::map<std::string, Detour>& detours, const TreePlaces& places, TreeReport& report) {
  for (const auto& [directory, detour] : detours) {
    const auto has_it = [&](const auto& place) { return beneath(place.second.root, detour.at).has_value(); };
    if (std::none_of(places.begin(), places.end(), has_it)) continue;
    const auto own = beneath(places.at(report.name).root, detour.at);
    const bool is_link = detour.unknown.empty();
    const std::string what = manifests::escape(directory);
    const std::string why = is_link ? "lies behind " + what + ", which is a link" : what + ": " + detour.unknown;
    report.problems.push_back({std::string(kPathProblem), is_link ? "behind" : "unknown",
                               manifests::escape(detour.path) + ": " + why, own ? own->str() : "."});
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
