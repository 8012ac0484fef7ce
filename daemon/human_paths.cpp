#include "daemon/human_paths.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "daemon/report_text.hpp"
#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;

constexpr std::size_t kMostDirectories = 10;

std::string finding_line(const AgedFinding& aged, std::size_t path_width) {
  const scanner::Finding& finding = *aged.finding;
  std::string what = describe(finding);
  if (!aged.age.empty()) what += (what.empty() ? "" : "  ") + aged.age;
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

}  // namespace

std::string finding_lines(const std::vector<AgedFinding>& findings) {
  constexpr std::size_t kWidest = 48;
  std::size_t width = 0;
  for (const AgedFinding& one : findings) width = std::max(width, escape(one.finding->path).size());
  std::string text;
  for (const AgedFinding& one : findings) text += finding_line(one, std::min(width, kWidest));
  return text;
}

void DirectoryCounts::add(std::string_view path) {
  const std::size_t slash = path.find('/');
  ++directories_[slash == std::string_view::npos ? "." : std::string(path.substr(0, slash + 1))];
  ++paths_;
}

std::string DirectoryCounts::text() const {
  std::vector<std::pair<std::string, std::size_t>> sorted(directories_.begin(), directories_.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = fmt::format("  ... {} in all, by directory:\n", paths_);
  for (std::size_t i = 0; i < std::min(sorted.size(), kMostDirectories); ++i) {
    text += fmt::format("  {:>8}  {}\n", sorted[i].second, escape(sorted[i].first));
  }
  if (sorted.size() > kMostDirectories)
    text += fmt::format("  and {} more directories\n", sorted.size() - kMostDirectories);
  return text;
}

std::string unverified_lines(const std::vector<scanner::Unverified>& first, std::size_t all) {
  std::string text;
  for (std::size_t i = 0; i < std::min(first.size(), kMostFindings); ++i) {
    const auto& one = first[i];
    text += fmt::format("  unverified {}  {}", escape(one.path), to_string(one.reason));
    if (one.below > 0) text += fmt::format(", with {} below", count(one.below, "entry", "entries"));
    text += '\n';
  }
  if (all > kMostFindings) text += fmt::format("  ... {} unverified paths in all\n", all);
  return text;
}

}  // namespace driftd::daemon
