#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;
using scanner::Change;
using scanner::DriftKind;
using scanner::Finding;

constexpr std::size_t kMostFindings = 20;
constexpr std::size_t kMostDirectories = 10;
constexpr std::size_t kShortKeyId = 8;

std::string paint(std::string_view text, std::string_view code, Colour colour) {
  return colour == Colour::ansi ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string verdict_text(Verdict verdict, Colour colour) {
  switch (verdict) {
    case Verdict::clean: return paint("CLEAN", "32", colour);
    case Verdict::drift: return paint("DRIFT", "1;31", colour);
    case Verdict::unknown: break;
  }
  return paint("UNKNOWN", "1;33", colour);
}

std::string ago(std::int64_t seconds) {
  if (seconds < 0) return "in the future";
  if (seconds < 60) return fmt::format("{} s ago", seconds);
  if (seconds < 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} d ago", seconds / 86400);
}

std::string count(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string mode_change(const Finding& finding) {
  const std::uint32_t actual = finding.actual.mode.value_or(0);
  if (finding.expected.mode) return fmt::format("mode {:04o} -> {:04o}", *finding.expected.mode, actual);
  std::vector<std::string> wrong;
  if ((actual & 04000U) != 0) wrong.emplace_back("setuid");
  if ((actual & 02000U) != 0) wrong.emplace_back("setgid");
  if ((actual & 0002U) != 0) wrong.emplace_back("world-writable");
  if (finding.expected.executable && finding.actual.executable &&
      *finding.expected.executable != *finding.actual.executable) {
    wrong.emplace_back(*finding.actual.executable ? "executable" : "not executable");
  }
  return fmt::format("mode {:04o}: {}", actual, fmt::join(wrong, ", "));
}

std::string describe_change(Change change, const Finding& finding) {
  const auto& expected = finding.expected;
  const auto& actual = finding.actual;
  const auto text = [](const auto& value) { return value ? escape(*value) : std::string("none"); };
  switch (change) {
    case Change::type:
      return finding.kind == DriftKind::added
                 ? "a " + std::string(to_string(*actual.type))
                 : fmt::format("{} -> {}", to_string(*expected.type), to_string(*actual.type));
    case Change::content: return "content";
    case Change::size: return fmt::format("size {} -> {}", expected.size.value_or(0), actual.size.value_or(0));
    case Change::target: return fmt::format("{} -> {}", text(expected.target), text(actual.target));
    case Change::mode: return mode_change(finding);
    case Change::owner: return fmt::format("owner {} -> {}", text(expected.owner), text(actual.owner));
    case Change::group: return fmt::format("group {} -> {}", text(expected.group), text(actual.group));
    case Change::capability: return actual.capability ? "capability set" : "capability gone";
    case Change::acl: return actual.acl ? "ACL set" : "ACL gone";
    case Change::release:
      return fmt::format("is exactly {}, expected {}", text(actual.release), text(expected.release));
  }
  return {};
}

/// The tree's line: name, release, signer, verdict, and how much of it.
std::string headline(const TreeReport& tree, std::int64_t now, Colour colour) {
  std::string line = tree.name;
  if (tree.manifest) {
    const auto& header = tree.manifest->header();
    std::string keys;
    for (const auto& key : tree.manifest->keys()) {
      keys += (keys.empty() ? "" : ", ") + to_string(key.id).substr(0, kShortKeyId);
    }
    line += fmt::format("  {}  signed by {} on {}", escape(header.release), keys,
                        manifests::format_utc(header.created).substr(0, 10));
  }
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
  if (tree.manifest && is_expired(tree.manifest->header(), std::max(now, tree.trusted_now))) {
    line += "  " + paint("EXPIRED", "1;33", colour) + " " +
            ago(std::max(now, tree.trusted_now) - *tree.manifest->header().expires);
  }
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

std::string next_step(const CheckReport& report) {
  for (const TreeReport& tree : report.trees) {
    if (tree.verdict() == Verdict::clean) continue;
    if (!tree.problems.empty() && tree.manifest == nullptr) {
      return fmt::format("Next: put that right, then run this again; nothing was judged for {}\n", tree.name);
    }
    if (tree.scan && !tree.scan->pending.empty() && tree.scan->findings.empty()) {
      return "Next: wait for the deploy, then run this again; --strict calls what is pending drift\n";
    }
    if (tree.verdict() == Verdict::drift) return "Next: add --json for digests, owners and times of each path\n";
    return "Next: run this again as root, or see the reasons above\n";
  }
  return {};
}

}  // namespace

std::string describe(const Finding& finding) {
  std::vector<std::string> parts;
  // Numbers tell more than the bare fact that the content differs, so they come first.
  for (const Change change : {Change::type, Change::size, Change::content, Change::target, Change::mode, Change::owner,
                              Change::group, Change::capability, Change::acl, Change::release}) {
    if (finding.changes.has(change)) parts.push_back(describe_change(change, finding));
  }
  if (finding.below > 0) parts.push_back("with " + count(finding.below, "path", "paths") + " below");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string human_report(const CheckReport& report, Colour colour) {
  std::string text;
  for (const TreeReport& tree : report.trees) text += tree_text(tree, report.checked_at, colour);
  return text + reservations(report) + next_step(report);
}

}  // namespace driftd::daemon
