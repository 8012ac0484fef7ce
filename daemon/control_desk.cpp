#include "daemon/control_desk.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"

namespace driftd::daemon {
namespace {

/// Paths that one JSON document lists at the most, fewer if they are long, beside those that people are shown of each
/// tree: some 3 MB, made in a few hundredths of a second. Whoever wants all of more asks driftd --check.
constexpr std::size_t kMostPaths = 10'000;

}  // namespace

void ControlDesk::answer(const ControlRequest& request, const std::shared_ptr<ControlReply>& reply) {
  switch (request.command) {
    case ControlRequest::Command::status: return answer_status(request, *reply);
    case ControlRequest::Command::scan: return answer_scan(request, reply);
  }
}

void ControlDesk::answer_status(const ControlRequest& request, ControlReply& reply) const {
  const StatusReport known = status(request.json ? kMostPaths : 0);
  std::string text;
  if (request.json) {
    json_status(known, [&](std::string_view piece) { text += piece; });
  } else {
    text = human_status(known, request.colour ? Colour::ansi : Colour::none);
  }
  reply.finish(exit_code(known.verdict()), std::move(text));
}

void ControlDesk::answer_scan(const ControlRequest& request, const std::shared_ptr<ControlReply>& reply) {
  std::vector<std::string> trees = request.trees.empty() ? all_trees() : request.trees;
  std::sort(trees.begin(), trees.end());
  trees.erase(std::unique(trees.begin(), trees.end()), trees.end());
  for (const std::string& name : trees) {
    if (sources_.monitors.count(name) > 0) continue;
    reply->note(fmt::format("no tree '{}' in the configuration in force; there are: {}", manifests::escape(name),
                            fmt::join(all_trees(), ", ")));
    return reply->finish(manifests::kExitUsage, {});
  }
  Waiting waiting{reply, request.colour ? Colour::ansi : Colour::none, {}};
  bool can_all = true;
  for (const std::string& name : trees) {
    const auto& monitor = sources_.monitors.at(name);
    const bool must_wait = monitor->must_wait_to_scan();
    waiting.scans.push_back({name, monitor, monitor->scan_now()});
    const bool has_to_read = monitor->awaits_manifest();
    const bool can = has_to_read || (monitor->state().manifest() != nullptr && !monitor->state().is_stalled());
    can_all = can_all && can;
    std::string what = must_wait ? "a full scan will begin when the scan under way ends" : "a full scan begins";
    if (has_to_read) what = "a full scan will begin when its manifest has been read";
    if (!can) what = "cannot be scanned now";
    spdlog::info("{}: asked at the control socket (process {}): {}", name, reply->pid(), what);
    reply->note(name + ": " + what);
  }
  if (!request.wait) return reply->finish(can_all ? manifests::kExitClean : manifests::kExitUnknown, {});
  waiting_.push_back(std::move(waiting));
  on_published();
}

bool ControlDesk::has_ended(const Waiting::Scan& scan) const {
  const auto now = sources_.monitors.find(scan.tree);
  if (now == sources_.monitors.end()) return true;
  // Where a reload has put another one in its place, that has begun with a full scan since.
  constexpr unsigned kFirst = 1;
  return now->second->has_scanned(now->second == scan.monitor.lock() ? scan.number : kFirst);
}

void ControlDesk::on_published() {
  const auto is_over = [&](const Waiting& one) {
    if (!one.reply->is_wanted()) return true;
    if (!std::all_of(one.scans.begin(), one.scans.end(), [&](const auto& scan) { return has_ended(scan); })) {
      return false;
    }
    end(one);
    return true;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), is_over), waiting_.end());
}

void ControlDesk::end(const Waiting& waiting) const {
  std::vector<std::string> trees;
  for (const Waiting::Scan& scan : waiting.scans) trees.push_back(scan.tree);
  const StatusReport status = report(trees, 0);
  // A tree that is gone meanwhile is not what was asked about.
  const bool is_complete = status.trees.size() == trees.size();
  if (!is_complete) waiting.reply->note("a reload has taken a tree away");
  const Verdict verdict = is_complete ? status.verdict() : worse(status.verdict(), Verdict::unknown);
  waiting.reply->finish(exit_code(verdict), human_status(status, waiting.colour));
}

StatusReport ControlDesk::report(const std::vector<std::string>& trees, std::size_t budget) const {
  const Snapshot& snapshot = *sources_.snapshot;
  StatusReport report;
  report.host = sources_.host;
  if (sources_.config_file != kDefaultConfig) report.again = "--config " + shell_word(sources_.config_file) + " ";
  report.now = wall_clock();
  report.started_at = sources_.started_at;
  report.reload_problem = snapshot.reload_problem;
  report.protection = snapshot.protection;
  for (const TreeSnapshot& summary : snapshot.trees) {
    const auto monitor = sources_.monitors.find(summary.name);
    if (monitor == sources_.monitors.end() || std::find(trees.begin(), trees.end(), summary.name) == trees.end()) {
      continue;
    }
    report.trees.push_back(tree_status(monitor->second->state(), summary, report.now, budget));
  }
  return report;
}

std::vector<std::string> ControlDesk::all_trees() const {
  std::vector<std::string> names;
  for (const auto& [name, monitor] : sources_.monitors) names.push_back(name);
  return names;
}

}  // namespace driftd::daemon
