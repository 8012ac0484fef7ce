#include <algorithm>

#include <fmt/format.h>

#include "daemon/evidence_forms.hpp"
#include "daemon/status_report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;

std::int64_t seconds(double time) { return static_cast<std::int64_t>(time); }

std::string headline(const TreeStatus& tree, std::int64_t now, Colour colour) {
  const TreeSnapshot& summary = tree.summary;
  std::string line = summary.name;
  if (tree.manifest)
    line += fmt::format("  {}  {}", escape(tree.manifest->header().release), signed_by(*tree.manifest));
  line += "  " + verdict_text(summary.verdict(), colour);
  if (summary.verdict_since > 0) {
    line += " for " + lasting(std::max<std::int64_t>(0, now - seconds(summary.verdict_since)));
  }
  if (tree.manifest) {
    const std::uint64_t entries = tree.manifest->manifest().size();
    const std::uint64_t drifted = summary.drifted_paths();
    line += "  " + (drifted == 0 ? count(entries, "entry", "entries") : share_of_drift(drifted, entries));
    const std::string expired = expiry(*tree.manifest, tree.trusted_now, colour);
    if (!expired.empty()) line += "  " + expired;
  }
  return line + "\n";
}

std::string row(std::string_view name, const std::string& what) { return fmt::format("  {:<9} {}\n", name, what); }

std::string why_unknown(const TreeStatus& tree, UnknownReason reason) {
  const TreeSnapshot& summary = tree.summary;
  switch (reason) {
    case UnknownReason::unverified:
      if (summary.stalled) return "its file system does not answer";
      if (!summary.scan_failure.empty()) return "the last scan failed: " + summary.scan_failure;
      return "the state of some paths could not be established";
    case UnknownReason::manifest:
    case UnknownReason::key_revoked:
      if (tree.distrust) return tree.distrust->message;
      return tree.manifest ? "the manifest proves nothing any more" : "there is nothing to compare with";
    case UnknownReason::scanning: return summary.scanning ? "a full scan is under way" : "a full scan has to end first";
    case UnknownReason::deploying: return "a deploy from " + escape(summary.deploying_from) + " is under way";
    case UnknownReason::overdue: return "no scan has ended for more than twice its interval";
  }
  return {};
}

std::string unknown_rows(const TreeStatus& tree) {
  std::string text;
  for (const UnknownReason reason : tree.summary.unknown) {
    text += row("unknown", fmt::format("{}: {}", to_string(reason), why_unknown(tree, reason)));
  }
  return text;
}

std::string pending_row(const TreeSnapshot& summary) {
  if (summary.deploy_pending == 0) return {};
  return row("pending", fmt::format("{} still as {} has them: {}", count(summary.deploy_pending, "path", "paths"),
                                    escape(summary.deploying_from),
                                    summary.deploy_in_progress ? "a deploy is under way" : "a deploy got stuck"));
}

std::string scan_text(std::string_view kind, const ScanStatistics& scans, std::int64_t now) {
  std::string text(kind);
  text += scans.last_success > 0 ? " " + ago(now - seconds(scans.last_success)) : " never";
  if (scans.next > 0) text += ", next in " + lasting(std::max<std::int64_t>(0, seconds(scans.next) - now));
  return text;
}

std::string scans_row(const TreeSnapshot& summary, std::int64_t now) {
  std::string text = scan_text("full", summary.full, now) + "; " + scan_text("quick", summary.quick, now);
  if (summary.scanning) text += "; one is under way";
  return row("scans", text);
}

std::string watch_row(const TreeSnapshot& summary) {
  if (summary.watching_events) return row("watch", "events: a change is seen at once");
  const std::string& why = summary.polling_reason;
  if (why.empty()) return row("watch", "not yet");
  return row("watch", "polling: a change is seen by the next scan (" + why + ")");
}

std::string trust_rows(const TreeStatus& tree) {
  const auto& refused = tree.summary.manifest_problem;
  std::string text;
  if (refused) text += row("refused", fmt::format("{}: {}", to_string(refused->code), refused->message));
  if (tree.forgetful) text += row("trust", "an older release could pass: " + tree.forgetful->message);
  if (tree.summary.clock_suspect) text += row("trust", "this host's clock is behind what was signed; set it");
  if (tree.trust_reset) {
    text += row("trust", fmt::format("was reset on {}: {}", manifests::format_utc(tree.trust_reset->at).substr(0, 10),
                                     escape(tree.trust_reset->reason)));
  }
  return text;
}

std::string tree_text(const TreeStatus& tree, std::int64_t now, Colour colour) {
  std::string text = headline(tree, now, colour);
  std::vector<AgedFinding> first;
  for (const scanner::OpenDrift& open : tree.open) {
    if (first.size() == kMostFindings) break;
    const std::string who = open.evidence ? ", by " + evidence_line(*open.evidence) : "";
    first.push_back({&open.finding, "seen " + ago(now - open.first_seen) + who});
  }
  text += finding_lines(first);
  if (!tree.directories.empty()) text += tree.directories.text();
  text += pending_row(tree.summary);
  text += unverified_lines(tree.unverified, tree.unverified_in_all);
  return text + unknown_rows(tree) + trust_rows(tree) + scans_row(tree.summary, now) + watch_row(tree.summary);
}

/// What is about all trees.
std::string reservations(const StatusReport& report) {
  std::string text;
  if (report.protection == StateStore::Protection::lost) {
    text += "rollback protection is lost: an older release could pass\n";
  }
  if (!report.reload_problem.empty()) {
    text += "the configuration on disk is refused, the one before is in force: " + report.reload_problem + "\n";
  }
  return text;
}

std::string explain(const StatusReport& report, const TreeStatus& tree, const std::string& path) {
  return fmt::format("Next: driftd explain {}{}\n", report.again, shell_word(path_below(tree.summary.root, path)));
}

std::string next_step_for_unknown(const StatusReport& report, const TreeStatus& tree) {
  const auto has = [&](UnknownReason reason) { return tree.summary.unknown.count(reason) > 0; };
  if (has(UnknownReason::manifest) || has(UnknownReason::key_revoked)) {
    return fmt::format("Next: put the manifest of {} right, then driftd status {}\n", tree.summary.name, report.again);
  }
  if (tree.summary.stalled) {
    return fmt::format("Next: see to the file system of {}, for example: df {}\n", tree.summary.name,
                       shell_word(tree.summary.root));
  }
  const bool passes = has(UnknownReason::scanning) || has(UnknownReason::deploying);
  if (passes && tree.summary.scan_failure.empty()) {
    return fmt::format("Next: wait for it to end, then driftd status {}\n", report.again);
  }
  if (!tree.unverified.empty()) return explain(report, tree, tree.unverified.front().path);
  return fmt::format("Next: driftd scan now {}--tree {}\n", report.again, tree.summary.name);
}

/// Without the space that `again` may have left at its end.
std::string trimmed(std::string line) {
  if (line.ends_with(" \n")) line.replace(line.size() - 2, 2, "\n");
  return line;
}

std::string next_step(const StatusReport& report) {
  for (const TreeStatus& tree : report.trees) {
    const bool is_drift = tree.summary.verdict() == Verdict::drift && !tree.open.empty();
    if (is_drift) return explain(report, tree, tree.open.front().finding.path);
  }
  for (const TreeStatus& tree : report.trees) {
    if (tree.summary.verdict() == Verdict::unknown) return trimmed(next_step_for_unknown(report, tree));
  }
  return {};
}

}  // namespace

std::string human_status(const StatusReport& report, Colour colour) {
  std::string text;
  for (const TreeStatus& tree : report.trees) text += tree_text(tree, report.now, colour);
  return text + reservations(report) + next_step(report);
}

}  // namespace driftd::daemon
