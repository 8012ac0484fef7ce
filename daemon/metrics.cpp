#include "daemon/metrics.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "daemon/process_metrics.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

using Label = prometheus::ClientMetric::Label;
using manifests::ErrorCode;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array kManifestProblems = {
    ErrorCode::signature, ErrorCode::scope,   ErrorCode::replay, ErrorCode::equivocation, ErrorCode::expired,
    ErrorCode::future,    ErrorCode::revoked, ErrorCode::format, ErrorCode::size,         ErrorCode::unreadable};

/// Gathers families in the order in which they are first named.
class Page {
 public:
  void gauge(const char* name, const char* help, std::vector<Label> labels, double value) {
    add(name, help, MetricType::Gauge, std::move(labels)).gauge.value = value;
  }
  void counter(const char* name, const char* help, std::vector<Label> labels, double value) {
    add(name, help, MetricType::Counter, std::move(labels)).counter.value = value;
  }
  void histogram(const char* name, const char* help, const LatencyHistogram& values) {
    auto& histogram = add(name, help, MetricType::Histogram, {}).histogram;
    histogram.sample_count = values.count;
    histogram.sample_sum = values.sum;
    for (std::size_t i = 0; i < kLatencyBounds.size(); ++i) {
      histogram.bucket.push_back({values.cumulative[i], kLatencyBounds[i]});
    }
  }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  ClientMetric& add(const char* name, const char* help, MetricType type, std::vector<Label> labels) {
    MetricFamily* family = nullptr;
    for (MetricFamily& one : families_) {
      if (one.name == name) family = &one;
    }
    if (family == nullptr) {
      family = &families_.emplace_back();
      family->name = name;
      family->help = help;
      family->type = type;
    }
    ClientMetric& metric = family->metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  std::vector<MetricFamily> families_;
};

double number(std::uint64_t value) { return static_cast<double>(value); }

Label label(const char* name, std::string_view value) { return {name, std::string(value)}; }

void add_daemon(Page& page, const Snapshot& snapshot) {
  page.gauge("driftd_build_info", "The running driftd.",
             {label("version", manifests::kVersion), label("revision", manifests::kRevision)}, 1);
  page.gauge("driftd_config_last_reload_successful", "1 where the last load of the configuration succeeded.", {},
             snapshot.reload_problem.empty() ? 1 : 0);
  page.gauge("driftd_config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded.", {},
             snapshot.reload_success_time);
  for (const auto& [state, protection] :
       {std::pair("ok", StateStore::Protection::ok), std::pair("new", StateStore::Protection::fresh),
        std::pair("lost", StateStore::Protection::lost)}) {
    page.gauge(
        "driftd_rollback_protection",
        "1 for how far an older release, truly signed, is refused: ok, new (nothing remembered at the start), lost.",
        {label("state", state)}, snapshot.protection == protection ? 1 : 0);
  }
  page.gauge("driftd_clock_suspect", "1 while this host's clock is behind what was signed; that time counts then.", {},
             std::any_of(snapshot.trees.begin(), snapshot.trees.end(),
                         [](const TreeSnapshot& tree) { return tree.clock_suspect; })
                 ? 1
                 : 0);
  page.histogram("driftd_detection_latency_seconds", "From a change event to the published result.",
                 snapshot.detection_latency);
  page.gauge("driftd_watch_probe_latency_seconds",
             "From a change that driftd made itself to its event, the last time; 0: not yet.", {},
             snapshot.watch_probe.latency);
  page.counter("driftd_watch_probe_failures_total", "Such changes that no event told of.", {},
               number(snapshot.watch_probe.failures));
  page.counter("driftd_watch_probe_omissions_total", "Such changes that could not be made, so that nothing is proved.",
               {}, number(snapshot.watch_probe.omissions));
  const ProcessMetrics process = read_process_metrics();
  page.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", {},
               process.cpu_seconds);
  page.gauge("process_open_fds", "Number of open file descriptors.", {}, process.open_fds);
  page.gauge("process_max_fds", "Maximum number of open file descriptors.", {}, process.max_fds);
  page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", {}, process.virtual_bytes);
  page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", {}, process.resident_bytes);
  page.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", {},
             process.start_time);
}

void add_verdict(Page& page, const TreeSnapshot& tree) {
  const Label name = label("tree", tree.name);
  for (const Verdict verdict : kAllVerdicts) {
    page.gauge("driftd_tree_verdict", "1 for the tree's current verdict.", {name, label("verdict", to_string(verdict))},
               tree.verdict() == verdict ? 1 : 0);
  }
  for (const scanner::DriftKind kind : scanner::kAllDriftKinds) {
    const auto at = tree.drift.find(kind);
    for (const char* state : {"open", "acknowledged"}) {
      const bool counts = at != tree.drift.end() && std::string_view(state) == "open";
      page.gauge("driftd_drifted_paths", "Paths that differ from the release; a missing or added directory is one.",
                 {name, label("kind", to_string(kind)), label("state", state)}, counts ? number(at->second) : 0);
    }
  }
  for (const auto& [reason, count] : tree.unverified) {
    page.gauge("driftd_unverified_paths", "Paths whose state could not be established.",
               {name, label("reason", to_string(reason))}, number(count));
  }
  for (const UnknownReason reason : tree.unknown) {
    page.gauge("driftd_tree_unknown", "1 while the reason keeps the tree from being called clean.",
               {name, label("reason", to_string(reason))}, 1);
  }
  page.gauge("driftd_oldest_open_drift_timestamp_seconds", "When the oldest open drift was first seen; 0: none.",
             {name}, static_cast<double>(tree.oldest_open_drift));
  std::vector<Label> labels{name};
  for (const auto& [key, value] : tree.labels) labels.push_back({key, value});
  page.gauge("driftd_tree_info", "The tree's labels from the configuration.", std::move(labels), 1);
}

void add_manifest(Page& page, const TreeSnapshot& tree) {
  const Label name = label("tree", tree.name);
  const ManifestInfo info = tree.manifest.value_or(ManifestInfo{});
  if (tree.manifest) {
    page.gauge("driftd_manifest_info", "The manifest in force.",
               {name, label("release", info.release), label("content", info.content),
                label("key_ids", fmt::format("{}", fmt::join(info.key_ids, ",")))},
               1);
    for (const std::string& value : info.overrides) {
      page.gauge("driftd_release_override", "A check that the pipeline skipped for the release in force.",
                 {name, label("override", value)}, 1);
    }
  }
  page.gauge("driftd_manifest_valid", "1 where the manifest on disk is accepted and in force.", {name},
             tree.manifest && !tree.manifest_problem ? 1 : 0);
  page.gauge("driftd_manifest_created_timestamp_seconds", "When the manifest in force was made.", {name},
             static_cast<double>(info.created));
  page.gauge("driftd_manifest_expires_timestamp_seconds", "When the manifest in force expires; 0: never.", {name},
             static_cast<double>(info.expires.value_or(0)));
  page.gauge("driftd_manifest_sequence", "The sequence of the manifest in force.", {name}, number(info.sequence));
  page.gauge("driftd_manifest_entries", "The entries of the manifest in force.", {name}, number(info.entries));
  page.gauge("driftd_unchecked_rules", "Rules of the manifest that leave paths unchecked.", {name},
             number(info.unchecked_rules));
  page.gauge("driftd_deploy_in_progress", "1 while paths may still be as the release before has them.", {name},
             tree.deploy_in_progress ? 1 : 0);
  page.gauge("driftd_deploy_pending_paths",
             "Paths that are still as the release before has them; without a deploy in progress it got stuck.", {name},
             number(tree.deploy_pending));
  page.counter("driftd_manifest_rejections_total", "Manifests that were refused.", {name},
               number(tree.counters.manifest_rejections));
  for (const ErrorCode code : kManifestProblems) {
    // Keys that cannot be read make the manifest one that cannot.
    const bool is_problem =
        tree.manifest_problem && (tree.manifest_problem->code == code ||
                                  (tree.manifest_problem->code == ErrorCode::trust && code == ErrorCode::unreadable));
    const bool holds = is_problem || (code == ErrorCode::expired && info.expired);
    if (!holds) continue;
    page.gauge("driftd_manifest_problem", "1 while the manifest on disk has the problem.",
               {name, label("reason", to_string(code))}, 1);
  }
}

void add_scans(Page& page, const TreeSnapshot& tree) {
  for (const auto& [type, scans] : {std::pair("full", &tree.full), std::pair("quick", &tree.quick)}) {
    const std::vector<Label> labels{label("tree", tree.name), label("type", type)};
    page.counter("driftd_scans_total", "Scans that were completed.", labels, number(scans->done));
    page.counter("driftd_scan_failures_total", "Scans that failed as a whole.", labels, number(scans->failed));
    page.gauge("driftd_last_scan_success_timestamp_seconds", "When the last complete scan ended; 0: never.", labels,
               scans->last_success);
    page.gauge("driftd_last_scan_duration_seconds", "How long the last complete scan took.", labels,
               scans->last_duration);
    page.gauge("driftd_scan_interval_seconds", "How often such scans are made; 0: not at all.", labels,
               scans->interval);
  }
}

void add_work(Page& page, const TreeSnapshot& tree) {
  const Label name = label("tree", tree.name);
  const TreeCounters& counters = tree.counters;
  page.counter("driftd_hashed_bytes_total", "Bytes that were read and hashed.", {name}, number(counters.hashed_bytes));
  page.counter("driftd_hashed_files_total", "Files that were read and hashed.", {name}, number(counters.hashed_files));
  page.counter("driftd_drift_detected_total", "Drifted paths that were newly found.", {name},
               number(counters.drift_detected));
  page.counter("driftd_drift_resolved_total", "Drifted paths that came to agree again.", {name},
               number(counters.drift_resolved));
  for (const char* mode : {"events", "polling"}) {
    const bool active = tree.watching_events == (std::string_view(mode) == "events");
    page.gauge("driftd_watch_active", "1 for the way in which the tree is watched.", {name, label("mode", mode)},
               active ? 1 : 0);
  }
  page.counter("driftd_watch_events_total", "Change events on the tree's file system.", {name},
               number(counters.watch_events));
  page.counter("driftd_watch_overflows_total", "Times that events were lost and the tree was scanned instead.", {name},
               number(counters.watch_overflows));
}

}  // namespace

std::string metrics_page(const Snapshot& snapshot) {
  Page page;
  add_daemon(page, snapshot);
  for (const TreeSnapshot& tree : snapshot.trees) {
    add_verdict(page, tree);
    add_manifest(page, tree);
    add_scans(page, tree);
    add_work(page, tree);
  }
  return page.text();
}

}  // namespace driftd::daemon
