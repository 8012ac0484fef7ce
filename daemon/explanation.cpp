#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "daemon/evidence_forms.hpp"
#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"
#include "scanner/compare.hpp"
#include "scanner/ruling.hpp"

namespace driftd::daemon {
namespace {

using manifests::EntryType;
using manifests::escape;
using manifests::Manifest;
using scanner::DriftKind;
using scanner::Facts;
using scanner::FileType;
using scanner::Finding;
using scanner::Rule;
using scanner::Ruling;
using scanner::UnverifiedReason;

std::string row(std::string_view name, std::string_view text) { return fmt::format("  {:<9} {}\n", name, text); }

std::string mode_text(std::uint32_t mode) { return fmt::format("mode {:04o}", mode); }

/// `file, size 812, mode 0755, owner root, blake3 ...`.
std::string facts_text(const Facts& facts) {
  std::vector<std::string> parts;
  if (facts.type) parts.emplace_back(to_string(*facts.type));
  if (facts.target) parts.push_back("to " + escape(*facts.target));
  if (facts.size) parts.push_back(fmt::format("size {}", *facts.size));
  if (facts.mode) parts.push_back(mode_text(*facts.mode));
  if (!facts.mode && facts.executable) parts.emplace_back(*facts.executable ? "executable" : "not executable");
  if (facts.owner) parts.push_back("owner " + escape(*facts.owner));
  if (facts.group) parts.push_back("group " + escape(*facts.group));
  if (facts.capability) parts.emplace_back("with a capability");
  if (facts.acl) parts.emplace_back("with an ACL");
  if (facts.release) parts.push_back("exactly " + escape(*facts.release));
  if (facts.blake3) parts.push_back("blake3 " + to_hex(*facts.blake3));
  if (!facts.blake3 && facts.sha256) parts.push_back("sha256 " + to_hex(*facts.sha256));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string listed_text(const Manifest& manifest, const Ruling& ruling) {
  const auto entry = *ruling.entry;
  std::string text = "listed: the release has a " + std::string(to_string(scanner::file_type(manifest.type(entry)))) +
                     (ruling.at == "." ? " as the tree's root" : " here");
  const bool has_content = manifest.blake3(entry) != nullptr || manifest.sha256(entry) != nullptr;
  if (manifest.type(entry) == EntryType::file && !has_content) text += ", of any content";
  if (manifest.optional(entry)) text += ", which may be absent";
  if (manifest.ignore(entry)) text += "; anything may be below it";
  if (ruling.mutable_rule == nullptr || manifest.ignore(entry)) return text;
  text += "; `#mutable: " + escape(ruling.mutable_rule->text()) + "` covers it too, but ";
  const bool has_more = manifest.subtree_end(entry) > entry + 1;
  return text + (has_more ? "each path that is listed below it has its own rule"
                          : "what is listed with its content is always checked");
}

std::string rule_text(const scanner::ScanPlan& plan, const Ruling& ruling) {
  switch (ruling.rule) {
    case Rule::listed: return listed_text(plan.manifest->manifest(), ruling);
    case Rule::ignored:
      return "ignored: the manifest lets anything be below " + escape(ruling.ignored_directory) + ", and lists nothing";
    case Rule::mutable_path:
      return "mutable: not listed, and `#mutable: " + escape(ruling.mutable_rule->text()) +
             "` lets anything be here; set-id files, capabilities and devices are drift all the same";
    case Rule::own_manifest: return "exempt: the tree's own manifest, or a signature of it, may be here";
    case Rule::nested_tree: return "left out: another tree has its root at " + escape(ruling.at);
    case Rule::passage: return "exempt: a directory may be here, for it leads to a manifest or to another tree's root";
    case Rule::unlisted: break;
  }
  return plan.report_additions ? "not listed, and no rule lets anything be here"
                               : "not listed; the configuration says `additions: ignore`";
}

std::string reason_text(const scanner::Unverified& one) {
  const std::string error = one.error != 0 ? fmt::format(" ({})", std::strerror(one.error)) : "";
  switch (one.reason) {
    case UnverifiedReason::permission: return "driftd may not read it" + error;
    case UnverifiedReason::unstable: return "it changed again and again while it was read";
    case UnverifiedReason::mount: return "something is mounted here, which hides what the release put there";
    case UnverifiedReason::io: return "reading it failed" + error;
    case UnverifiedReason::stalled: return "its file system does not answer";
    case UnverifiedReason::limit: break;
  }
  return "it goes beyond a limit" + error;
}

/// What a scan said of one tree's path.
struct Seen {
  Ruling ruling;
  const Finding* finding = nullptr;                 ///< of the path that decides
  const Finding* pending = nullptr;                 ///< likewise
  const scanner::Unverified* unverified = nullptr;  ///< likewise
  std::size_t below = 0;                            ///< what is not clean below it
  std::string first_below;
};

template <class Item>
const Item* pick(const std::vector<Item>& items, Seen& seen) {
  const Item* own = nullptr;
  for (const Item& item : items) {
    if (item.path == seen.ruling.at) {
      own = &item;
    } else {
      if (seen.below++ == 0) seen.first_below = item.path;
    }
  }
  return own;
}

Seen look_up(const TreeReport& tree) {
  Seen seen;
  const auto& paths = tree.scan->scope.paths();
  if (tree.asked.is_whole()) {
    seen.ruling = scanner::ruling_for_root();
  } else {
    // The scan stops where what is wrong begins, which may be above the path; at a nested tree it does not begin.
    seen.ruling = ruling_for(*tree.plan, paths.empty() ? *tree.asked.paths().begin() : *paths.begin());
  }
  seen.finding = pick(tree.scan->findings, seen);
  seen.pending = pick(tree.scan->pending, seen);
  seen.unverified = pick(tree.scan->unverified, seen);
  return seen;
}

std::string asked_path(const TreeReport& tree) {
  // Of a PATH that is too long nothing can be asked.
  return tree.asked.paths().empty() ? "." : tree.asked.paths().begin()->str();
}

std::string headline(const TreeReport& tree, const Seen* seen, std::int64_t now, Colour colour) {
  std::string line = escape(path_on_host(tree, asked_path(tree))) + "  " + verdict_text(tree.verdict(), colour);
  if (seen == nullptr) return line + "\n";
  if (seen->finding != nullptr) {
    line += "  " + std::string(to_string(seen->finding->kind));
  } else if (seen->pending != nullptr) {
    line += "  pending";
  } else if (seen->unverified != nullptr) {
    line += "  unverified";
  } else if (seen->below > 0) {
    line += "  below it";
  }
  if (seen->finding != nullptr && seen->finding->changed_at)
    line += ", changed " + ago(now - *seen->finding->changed_at);
  return line + "\n";
}

std::string release_rows(const TreeReport& tree, std::int64_t now, Colour colour) {
  std::string text = row("tree", tree.name + ", " + escape(tree.root));
  if (!tree.manifest) return text;
  const manifests::Header& header = tree.manifest->header();
  std::string release =
      fmt::format("{}, sequence {}, {}", escape(header.release), header.sequence, signed_by(*tree.manifest));
  if (const std::string expired = expiry(tree, now, colour); !expired.empty()) release += ", " + expired;
  text += row("release", release);
  if (!header.source.empty()) text += row("source", escape(header.source));
  if (!header.artifact.empty()) text += row("artifact", escape(header.artifact));
  return text;
}

/// Why there is drift in what the release does not even record.
std::string unrecorded_text(const Finding& finding, const Facts& expected) {
  if (finding.kind == DriftKind::added) return {};
  std::string text;
  if (finding.changes.has(scanner::Change::mode) && !expected.mode) {
    text +=
        "; no mode is recorded, but nothing may be setuid, setgid or world-writable, or change whether it is "
        "executable";
  }
  const bool gained_rights = (finding.changes.has(scanner::Change::capability) && !expected.capability) ||
                             (finding.changes.has(scanner::Change::acl) && !expected.acl);
  if (gained_rights) text += "; what is not recorded of capabilities and ACLs may not be there";
  return text;
}

std::string comparison_rows(const Finding& finding) {
  const bool is_added = finding.kind == DriftKind::added;
  const bool is_missing = finding.kind == DriftKind::missing;
  const Facts expected = finding.expected.unpack();
  const Facts actual = finding.actual.unpack();
  std::string actual_text = is_missing ? "nothing" : facts_text(actual);
  const bool is_unread = finding.changes.has(scanner::Change::size) && !actual.blake3 && !actual.sha256;
  if (is_unread) actual_text += ", content not read: its size is wrong already";
  std::string text = row("expected", is_added ? "nothing" : facts_text(expected)) + row("actual", actual_text);
  if (finding.changed_at) text += row("changed", manifests::format_utc(*finding.changed_at));
  if (!finding.changes.empty()) text += row("differs", describe(finding) + unrecorded_text(finding, expected));
  if (finding.below > 0) text += row("below", count(finding.below, "path", "paths"));
  for (const std::string& below : finding.first_below) text += row("", "  " + escape(below));
  if (finding.below > finding.first_below.size() && !finding.first_below.empty()) {
    text += row("", fmt::format("  ... and {} more", finding.below - finding.first_below.size()));
  }
  return text;
}

/// What a path that agrees was compared with.
std::string agreement_rows(const TreeReport& tree, const Seen& seen) {
  const bool is_refused = std::any_of(tree.problems.begin(), tree.problems.end(),
                                      [](const Problem& problem) { return problem.what == kPathProblem; });
  if (is_refused) return {};
  if (seen.ruling.rule != Rule::listed) return row("actual", "what the rule allows");
  return row("expected", facts_text(scanner::expected_facts(tree.manifest->manifest(), *seen.ruling.entry))) +
         row("actual", tree.absent.empty() ? "as expected" : "nothing, which is allowed");
}

std::string evidence_text(const TreeReport& tree, const Finding& finding) {
  std::string text;
  const auto known = tree.evidence.find(finding.path);
  if (known == tree.evidence.end()) return text;
  for (const auto& [name, what] : evidence_rows(known->second)) text += row(name, what);
  return text;
}

/// Who touched it and left no drift, under the release in force.
std::string touch_rows(const TreeReport& tree, std::int64_t now) {
  if (!tree.touch_problem.empty()) return row("touched", "not known: " + tree.touch_problem);
  const auto& touch = tree.touch;
  if (!touch || !tree.manifest || touch->identity != tree.manifest->identity()) return {};
  const std::string who = touch->evidence.last ? evidence_line(touch->evidence) : "unknown";
  return row("touched", ago(now - touch->at) + ", and left as the release has it") + row("", "by " + who);
}

std::string path_rows(const TreeReport& tree, const Seen& seen) {
  std::string text;
  if (seen.ruling.at != asked_path(tree)) text += row("decided", "at " + escape(seen.ruling.at) + ", above it");
  text += row("rule", rule_text(*tree.plan, seen.ruling));
  if (seen.finding != nullptr) {
    text += comparison_rows(*seen.finding) + evidence_text(tree, *seen.finding);
  } else if (seen.pending != nullptr) {
    text += comparison_rows(*seen.pending);
    text += row("pending", fmt::format("still as {} has it, and a deploy is under way", escape(tree.deploying_from)));
  } else if (seen.unverified == nullptr) {
    text += agreement_rows(tree, seen);
  }
  if (seen.unverified != nullptr) text += row("unknown", reason_text(*seen.unverified));
  if (seen.below > 0) {
    text += row("below", fmt::format("{} not clean, the first is {}", count(seen.below, "path is", "paths are"),
                                     escape(seen.first_below)));
  }
  return text;
}

std::string next_for_finding(const CheckReport& report, const TreeReport& tree, const Finding& finding) {
  const std::string path = shell_word(path_on_host(tree, finding.path));
  if (finding.changes.has(scanner::Change::release)) {
    return "Next: deploy the release that is expected, or sign the old content anew with a higher sequence\n";
  }
  if (finding.kind == DriftKind::added) {
    return fmt::format("Next: ls -ld {}   then remove it, or ship it in a release\n", path);
  }
  const manifests::Header& header = tree.manifest->header();
  const std::string from =
      header.artifact.empty() ? "" : " (" + escape(header.artifact.substr(0, header.artifact.find(' '))) + ")";
  return fmt::format("Next: put back what {} has{}, then: driftd check {}{}\n", escape(header.release), from,
                     report.again, path);
}

std::string next_step(const CheckReport& report, const TreeReport& tree, const Seen& seen) {
  const std::string path = shell_word(path_on_host(tree, seen.ruling.at));
  if (seen.finding != nullptr) return next_for_finding(report, tree, *seen.finding);
  if (seen.unverified != nullptr) {
    switch (seen.unverified->reason) {
      case UnverifiedReason::permission: return "Next: run this again as root\n";
      case UnverifiedReason::mount:
      case UnverifiedReason::stalled: return fmt::format("Next: findmnt -T {}\n", path);
      case UnverifiedReason::unstable: return fmt::format("Next: fuser -v {}   shows who has it open\n", path);
      case UnverifiedReason::io: return "Next: dmesg | tail\n";
      case UnverifiedReason::limit: return {};
    }
  }
  if (seen.below > 0) return fmt::format("Next: driftd check {}{}\n", report.again, path);
  return seen.pending != nullptr ? "Next: wait for the deploy, then run this again\n" : "";
}

}  // namespace

std::string explanation(const CheckReport& report, Colour colour) {
  std::string text;
  for (const TreeReport& tree : report.trees) {
    std::optional<Seen> seen;
    if (tree.plan && tree.scan) seen = look_up(tree);
    text += headline(tree, seen ? &*seen : nullptr, report.checked_at, colour);
    if (seen) text += path_rows(tree, *seen);
    if (seen) text += touch_rows(tree, report.checked_at);
    for (const Problem& problem : tree.problems) text += row("problem", problem.message);
    text += release_rows(tree, report.checked_at, colour);
    if (!tree.replay_unchecked.empty()) text += row("replay", "not checked: " + tree.replay_unchecked);
    if (seen) text += next_step(report, tree, *seen);
    if (!tree.manifest) text += "Next: put that right, then run this again\n";
  }
  return text;
}

}  // namespace driftd::daemon
