#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "daemon/report.hpp"
#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;

// Old agents pass on 1 KiB in all, and some show the first line alone.
constexpr std::size_t kMostTrees = 4;
constexpr std::size_t kMostLines = 10;
constexpr std::size_t kLongestLine = 300;

/// A bar starts the performance data. Backslashes are escapes already; other names' bytes should be, and are made so.
std::string plugin_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const auto point = manifests::decode_utf8(text);
    const std::string_view bytes = text.substr(0, point ? point->length : 1);
    const bool is_safe = point && !manifests::is_deceptive(point->value);
    const std::string next = bytes == "|" ? "\\x7c" : is_safe ? std::string(bytes) : escape(bytes);
    if (line.size() + next.size() > kLongestLine) return line + "...";
    text.remove_prefix(bytes.size());
    line += next;
  }
  return line;
}

std::string_view status_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::clean: return "OK";
    case Verdict::drift: return "CRITICAL";
    case Verdict::unknown: break;
  }
  return "UNKNOWN";
}

std::string tree_phrase(const TreeReport& tree, std::int64_t now) {
  std::string text = tree.name;
  if (tree.manifest) text += " " + escape(tree.manifest->header().release);
  text += " " + std::string(to_string(tree.verdict()));
  if (tree.scan) {
    const std::size_t drift = tree.scan->findings.size();
    text +=
        ", " + (drift > 0 ? share_of_drift(drift, tree.scan->entries) : count(tree.scan->entries, "entry", "entries"));
    if (!tree.scan->pending.empty()) text += fmt::format(", {} pending", tree.scan->pending.size());
    if (!tree.scan->unverified.empty()) text += fmt::format(", {} unverified", tree.scan->unverified.size());
    if (tree.partial) text += " (only the paths given)";
  }
  for (const Problem& problem : tree.problems) text += fmt::format(", {}: {}", problem.what, problem.reason);
  if (const std::string expired = expiry(tree, now, Colour::none); !expired.empty()) text += ", " + expired;
  return text;
}

/// The trees that are not clean, each with what is wrong; of many clean ones the number.
std::string summary(const CheckReport& report) {
  const auto& trees = report.trees;
  if (trees.size() == 1) return tree_phrase(trees.front(), report.checked_at);
  std::string text;
  std::size_t shown = 0;
  const auto add = [&](Verdict verdict) {
    for (const TreeReport& tree : trees) {
      if (tree.verdict() != verdict) continue;
      if (++shown > kMostTrees) continue;
      text += (text.empty() ? "" : "; ") + tree_phrase(tree, report.checked_at);
    }
  };
  add(Verdict::drift);
  add(Verdict::unknown);
  if (shown > kMostTrees) text += fmt::format("; and {}", count(shown - kMostTrees, "other tree", "other trees"));
  if (const std::size_t clean = trees.size() - shown; clean > 0) {
    text += fmt::format("{}{} clean", text.empty() ? "" : "; ", count(clean, "tree", "trees"));
  }
  return text;
}

std::string performance_data(const CheckReport& report) {
  std::uint64_t drift = 0;
  std::uint64_t pending = 0;
  std::uint64_t unverified = 0;
  std::uint64_t problems = 0;
  std::uint64_t entries = 0;
  double seconds = 0;
  for (const TreeReport& tree : report.trees) {
    problems += tree.problems.size();
    seconds += tree.seconds;
    if (!tree.scan) continue;
    drift += tree.scan->findings.size();
    pending += tree.scan->pending.size();
    unverified += tree.scan->unverified.size();
    entries += tree.scan->entries;
  }
  // label=value;warn;crit;min: more than 0 drifted paths are critical.
  return fmt::format("drift={};;0;0 pending={};;;0 unverified={};;;0 problems={};;;0 entries={};;;0 time={:.3f}s;;;0",
                     drift, pending, unverified, problems, entries, seconds);
}

/// One line a path that is not clean, for whoever opens the service's page.
std::string long_output(const CheckReport& report) {
  std::string text;
  std::size_t lines = 0;
  const auto add = [&](const std::string& line) {
    if (++lines <= kMostLines) text += plugin_line(line) + "\n";
  };
  for (const TreeReport& tree : report.trees) {
    for (const Problem& problem : tree.problems) add(tree.name + ": " + problem.message);
    if (!tree.scan) continue;
    for (const auto& one : tree.scan->findings) {
      const std::string what = describe(one);
      add(fmt::format("{} {}{}{}", to_string(one.kind), escape(path_on_host(tree, one.path)), what.empty() ? "" : "  ",
                      what));
    }
    for (const auto& one : tree.scan->unverified) {
      add(fmt::format("unverified {}  {}", escape(path_on_host(tree, one.path)), to_string(one.reason)));
    }
    for (const auto& one : tree.scan->pending) add(fmt::format("pending {}", escape(path_on_host(tree, one.path))));
  }
  if (lines > kMostLines) text += fmt::format("... and {} more: driftd check\n", lines - kMostLines);
  return text;
}

}  // namespace

int nagios_exit_code(Verdict verdict) {
  // 1, a warning, is for drift that somebody has acknowledged; that cannot be done yet, so all drift is open.
  constexpr int kOk = 0;
  constexpr int kCritical = 2;
  constexpr int kUnknown = 3;
  switch (verdict) {
    case Verdict::clean: return kOk;
    case Verdict::drift: return kCritical;
    case Verdict::unknown: break;
  }
  return kUnknown;
}

std::string nagios_report(const CheckReport& report) {
  const std::string text = plugin_line(summary(report));
  return fmt::format("DRIFTD {} - {} | {}\n{}", status_word(report.verdict()), text, performance_data(report),
                     long_output(report));
}

std::string nagios_failure(const std::string& message) { return "DRIFTD UNKNOWN - " + plugin_line(message) + "\n"; }

}  // namespace driftd::daemon
