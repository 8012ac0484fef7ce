#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;
using scanner::Finding;

constexpr std::size_t kMostFindings = 20;
constexpr std::size_t kMostDirectories = 10;

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
      line += fmt::format("  {} of {}", tree.scan->findings.size(), count(tree.scan->entries, "entry", "entries"));
    }
    if (tree.partial) line += " (only the paths given)";
  }
  for (const Problem& problem : tree.problems) line += fmt::format("  {}: {}", problem.what, problem.reason);
  if (const std::string expired = expiry(tree, now, colour); !expired.empty()) line += "  " + expired;
  return line + "\n";
}

std::string finding_line(const Finding& finding, std::size_t path_width, std::int64_t now) {
  std::string what = describe(finding);
  if (finding.changed_at) what += (what.empty() ? "" : "  ") + ago(now - *finding.changed_at);
  // A path is never trimmed: it may end in spaces.
  const std::string path = escape(finding.path);
  std::string line = fmt::format("  {:<9} {}", to_string(finding.kind), path);
  if (!what.empty()) line += std::string(path_width - std::min(path_width, path.size()), ' ') + "  " + what;
  line += '\n';
  for (const std::string& below : finding.first_below) line += fmt::format("    {}\n", escape(below));
  if (finding.below > finding.first_below.size() && !finding.first_below.empty()) {
    line += fmt::format("    ... and {} more below\n", finding.below - finding.first_below.size());
  }
  return line;
}

/// A first look at a tree that was never deployed from a release must stay readable.
std::string counts_by_directory(const std::vector<Finding>& findings) {
  std::map<std::string, std::size_t> directories;
  for (const Finding& finding : findings) {
    const std::size_t slash = finding.path.find('/');
    ++directories[slash == std::string::npos ? "." : finding.path.substr(0, slash + 1)];
  }
  std::vector<std::pair<std::string, std::size_t>> sorted(directories.begin(), directories.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = fmt::format("  ... {} in all, by directory:\n", findings.size());
  for (std::size_t i = 0; i < std::min(sorted.size(), kMostDirectories); ++i) {
    text += fmt::format("  {:>8}  {}\n", sorted[i].second, escape(sorted[i].first));
  }
  if (sorted.size() > kMostDirectories)
    text += fmt::format("  and {} more directories\n", sorted.size() - kMostDirectories);
  return text;
}

std::string unverified_lines(const std::vector<scanner::Unverified>& unverified) {
  std::string text;
  for (std::size_t i = 0; i < std::min(unverified.size(), kMostFindings); ++i) {
    const auto& one = unverified[i];
    text += fmt::format("  unverified {}  {}", escape(one.path), to_string(one.reason));
    if (one.below > 0) text += fmt::format(", with {} below", count(one.below, "entry", "entries"));
    text += '\n';
  }
  if (unverified.size() > kMostFindings) text += fmt::format("  ... {} unverified paths in all\n", unverified.size());
  return text;
}

std::string tree_text(const TreeReport& tree, std::int64_t now, Colour colour) {
  std::string text = headline(tree, now, colour);
  if (!tree.scan) return text;
  const auto& findings = tree.scan->findings;
  const std::size_t shown = std::min(findings.size(), kMostFindings);
  std::size_t width = 0;
  for (std::size_t i = 0; i < shown; ++i) width = std::max(width, escape(findings[i].path).size());
  constexpr std::size_t kWidest = 48;
  for (std::size_t i = 0; i < shown; ++i) text += finding_line(findings[i], std::min(width, kWidest), now);
  if (findings.size() > shown) text += counts_by_directory(findings);
  if (!tree.scan->pending.empty()) {
    text += fmt::format("  pending    {} still as {} has them: a deploy is under way\n",
                        count(tree.scan->pending.size(), "path", "paths"), escape(tree.deploying_from));
  }
  return text + unverified_lines(tree.scan->unverified);
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
