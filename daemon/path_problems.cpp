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

/// Each once, however many PATHs lead to it.
std::set<std::string> paths_of(const std::set<NamedPath>& named) {
  std::set<std::string> paths;
  for (const NamedPath& one : named) paths.insert(one.path);
  return paths;
}

bool is_at(const Problem& problem, const std::string& path) {
  return problem.what == kPathProblem && problem.path == path;
}

/// The PATHs of which a guess is known to a tree.
std::set<std::string> good_guesses(const std::vector<TreeReport>& trees) {
  std::set<std::string> good;
  for (const TreeReport& tree : trees) {
    for (const NamedPath& one : tree.named) {
      const bool is_refused = std::any_of(tree.problems.begin(), tree.problems.end(),
                                          [&](const Problem& problem) { return is_at(problem, one.path); });
      if (one.is_guess && tree.scan && !is_refused) good.insert(one.argument);
    }
  }
  return good;
}

bool has_nothing_to_tell(const TreeReport& tree) {
  return tree.problems.empty() && tree.scan && tree.scan->findings.empty() && tree.scan->unverified.empty() &&
         tree.scan->pending.empty();
}

}  // namespace

void refuse_unknown_paths(const scanner::ScanPlan& plan, TreeReport& report) {
  const UniqueFd root(::open(report.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const auto refuse = [&](const RelPath& path, const char* reason, const std::string& why) {
    report.problems.push_back(
        {std::string(kPathProblem), reason, manifests::escape(path.str()) + ": " + why, path.str()});
  };
  for (const std::string& named : paths_of(report.named)) {
    const auto parsed = RelPath::parse(named);
    if (!parsed) continue;  // the root
    const RelPath& path = *parsed;
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
    report.problems.back().is_nowhere = true;
  }
}

void refuse_detours(const std::map<std::string, Detour>& detours, const TreePlaces& places, TreeReport& report) {
  for (const auto& [directory, detour] : detours) {
    const auto has_it = [&](const auto& place) { return beneath(place.second.root, detour.at).has_value(); };
    if (!detour.leads_away && std::none_of(places.begin(), places.end(), has_it)) continue;
    const auto own = beneath(places.at(report.name).root, detour.at);
    const bool is_link = detour.unknown.empty();
    const std::string what = manifests::escape(directory);
    const std::string why = is_link                    ? "lies behind " + what + ", which is a link"
                            : directory == detour.path ? detour.unknown
                                                       : what + ": " + detour.unknown;
    report.problems.push_back({std::string(kPathProblem), is_link ? "behind" : "unknown",
                               manifests::escape(detour.path) + ": " + why, own ? own->str() : "."});
  }
}

void drop_wrong_guesses(std::vector<TreeReport>& trees) {
  const auto good = good_guesses(trees);
  const auto was_not_meant = [&](const TreeReport& tree) {
    const auto is_wrong = [&](const NamedPath& one) {
      const auto is_nowhere = [&](const Problem& problem) { return problem.is_nowhere && is_at(problem, one.path); };
      return one.is_guess && good.contains(one.argument) &&
             std::any_of(tree.problems.begin(), tree.problems.end(), is_nowhere);
    };
    return !tree.named.empty() && std::all_of(tree.named.begin(), tree.named.end(), is_wrong);
  };
  const auto is_wrong_guess = [&](const TreeReport& tree, const Problem& problem) {
    return problem.is_nowhere && std::all_of(tree.named.begin(), tree.named.end(), [&](const NamedPath& one) {
             return one.path != problem.path || (one.is_guess && good.contains(one.argument));
           });
  };
  std::erase_if(trees, [&](TreeReport& tree) {
    const bool is_only_guessed = was_not_meant(tree);
    std::erase_if(tree.problems, [&](const Problem& problem) { return is_wrong_guess(tree, problem); });
    return is_only_guessed && has_nothing_to_tell(tree);
  });
}

}  // namespace driftd::daemon
