#include <map>

#include <fmt/format.h>

#include "daemon/human_paths.hpp"
#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;

/// The tree's line: name, release, signer, verdict, and how much of it.
std::string headline(const TreeReport& tree, std::int64_t now, Colour colour) {
  std::string line = tree.name;
  if (tree.manifest)
    line += fmt::format("  {}  {}", escape(tree.manifest->header().release), signed_by(*tree.manifest));
  line += "  " + verdict_text(tree.verdict(), colour);
  if (tree.scan) {
    if (tree.scan->findings.empty()) {
      line += fmt::format("  {}, {:.2f} s", count(tree.scan->entries, "entry", "entries"), tree.seconds);
    } else {
      line += "  " + share_of_drift(tree.scan->findings.size(), tree.scan->entries);
    }
    if (tree.partial) line += " (only the paths given)";
  }
  for (const Problem& problem : tree.problems) line += fmt::format("  {}: {}", problem.what, problem.reason);
  if (const std::string expired = expiry(tree, now, colour); !expired.empty()) line += "  " + expired;
  return line + "\n";
}

std::string tree_text(const TreeReport& tree, std::int64_t now, Colour colour) {
  std::string text = headline(tree, now, colour);
  if (!tree.scan) return text;
  const auto& findings = tree.scan->findings;
  std::vector<AgedFinding> first;
  for (const scanner::Finding& finding : findings) {
    if (first.size() == kMostFindings) break;
    first.push_back({&finding, finding.changed_at ? ago(now - *finding.changed_at) : ""});
  }
  text += finding_lines(first);
  if (findings.size() > first.size()) {
    DirectoryCounts directories;
    for (const scanner::Finding& finding : findings) directories.add(finding.path);
    text += directories.text();
  }
  if (!tree.scan->pending.empty()) {
    text += fmt::format("  pending    {} still as {} has them: a deploy is under way\n",
                        count(tree.scan->pending.size(), "path", "paths"), escape(tree.deploying_from));
  }
  return text + unverified_lines(tree.scan->unverified, tree.scan->unverified.size());
}

/// What the verdict does not rest on.
std::string reservations(const CheckReport& report) {
  std::string text;
  for (const TreeReport& tree : report.trees) {
    if (tree.clock_suspect) text += fmt::format("{}: this host's clock is behind what was signed; set it\n", tree.name);
    if (tree.trust_reset) {
      text += fmt::format("{}: trust was reset on {}: {}\n", tree.name,
                          manifests::format_utc(tree.trust_reset->at).substr(0, 10), escape(tree.trust_reset->reason));
    }
  }
  std::map<std::string, std::vector<std::string>> unchecked;
  for (const TreeReport& tree : report.trees) {
    if (!tree.replay_unchecked.empty()) unchecked[tree.replay_unchecked].push_back(tree.name);
  }
  for (const auto& [why, trees] : unchecked) {
    const bool is_all = trees.size() == report.trees.size();
    text +=
        fmt::format("replay not checked{}: {}\n", is_all ? "" : fmt::format(" for {}", fmt::join(trees, ", ")), why);
  }
  return text;
}

std::string explain(const CheckReport& report, const TreeReport& tree, std::string_view path) {
  return fmt::format("Next: driftd explain {}{}\n", report.again, shell_word(path_on_host(tree, path)));
}

std::string next_step_for_unknown(const CheckReport& report, const TreeReport& tree) {
  if (tree.manifest == nullptr) {
    return fmt::format("Next: put that right, then run this again; nothing was judged for {}\n", tree.name);
  }
  if (tree.scan && !tree.scan->pending.empty()) {
    return "Next: wait for the deploy, then run this again; --strict calls what is pending drift\n";
  }
  if (tree.scan && !tree.scan->unverified.empty()) {
    const scanner::Unverified& first = tree.scan->unverified.front();
    if (first.reason == scanner::UnverifiedReason::permission) return "Next: run this again as root\n";
    return explain(report, tree, first.path);
  }
  return {};  // the message says it all
}

std::string next_step(const CheckReport& report) {
  for (const TreeReport& tree : report.trees) {
    if (tree.verdict() == Verdict::drift) return explain(report, tree, tree.scan->findings.front().path);
  }
  for (const TreeReport& tree : report.trees) {
    if (tree.verdict() == Verdict::unknown) return next_step_for_unknown(report, tree);
  }
  return {};
}

}  // namespace

std::string human_report(const CheckReport& report, Colour colour) {
  std::string text;
  for (const TreeReport& tree : report.trees) text += tree_text(tree, report.checked_at, colour);
  return text + reservations(report) + next_step(report);
}

}  // namespace driftd::daemon
