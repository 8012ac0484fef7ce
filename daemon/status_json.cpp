#include <algorithm>

#include "daemon/evidence_forms.hpp"
#include "daemon/json_bytes.hpp"
#include "daemon/json_document.hpp"
#include "daemon/status_report.hpp"
#include "manifests/utc_time.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

namespace json = boost::json;

json::value text_or_null(const std::string& text) { return text.empty() ? json::value() : json::value(text); }

json::value time_or_null(double seconds) {
  return seconds > 0 ? json::value(manifests::format_utc(static_cast<std::int64_t>(seconds))) : json::value();
}

json::value error_or_null(const std::optional<manifests::Error>& error) {
  if (!error) return nullptr;
  return json::object{{"reason", json::string(to_string(error->code))}, {"message", error->message}};
}

template <class Key>
json::object counts_object(const std::map<Key, std::uint64_t>& counts) {
  json::object object;
  for (const auto& [key, number] : counts) {
    if (number > 0) object[json::string_view(to_string(key))] = number;
  }
  return object;
}

json::object scans_object(const ScanStatistics& scans) {
  json::object object;
  object["last"] = time_or_null(scans.last_success);
  object["seconds"] = scans.last_duration;
  object["next"] = time_or_null(scans.next);
  object["interval"] = scans.interval;
  object["done"] = scans.done;
  object["failed"] = scans.failed;
  return object;
}

json::object open_object(const scanner::OpenDrift& open) {
  json::object object = finding_object(open.finding);
  object["first_seen"] = manifests::format_utc(open.first_seen);
  if (open.evidence) object["evidence"] = evidence_object(*open.evidence);
  return object;
}

json::object judgement_of(const TreeStatus& tree) {
  const TreeSnapshot& summary = tree.summary;
  json::object object;
  object["name"] = summary.name;
  put_bytes(object, "root", summary.root);
  object["verdict"] = json::string(to_string(summary.verdict()));
  object["since"] = time_or_null(summary.verdict_since);
  json::array unknown;
  for (const UnknownReason reason : summary.unknown) unknown.emplace_back(json::string(to_string(reason)));
  object["unknown"] = std::move(unknown);
  object["stalled"] = summary.stalled;
  object["manifest"] = manifest_value(tree.manifest.get(), tree.trusted_now);
  object["entries"] = tree.manifest ? tree.manifest->manifest().size() : 0;
  object["refused"] = error_or_null(summary.manifest_problem);
  object["distrust"] = error_or_null(tree.distrust);
  object["replay_unchecked"] = tree.forgetful ? json::value(tree.forgetful->message) : json::value();
  object["clock_suspect"] = summary.clock_suspect;
  object["trust_reset"] = tree.trust_reset
                              ? json::value(json::object{{"at", manifests::format_utc(tree.trust_reset->at)},
                                                         {"reason", tree.trust_reset->reason}})
                              : nullptr;
  return object;
}

json::object counts_of(const TreeSnapshot& summary) {
  return {{"drift", counts_object(summary.drift)},
          {"unverified", counts_object(summary.unverified)},
          {"pending", summary.deploy_pending}};
}

json::object coverage_of(const TreeStatus& tree) {
  const TreeSnapshot& summary = tree.summary;
  json::object object;
  object["scanning"] = summary.scanning;
  object["scan_failure"] = text_or_null(summary.scan_failure);
  object["scans"] = json::object{{"full", scans_object(summary.full)}, {"quick", scans_object(summary.quick)}};
  object["watch"] = json::object{{"mode", summary.watching_events ? "events" : "polling"},
                                 {"reason", text_or_null(summary.polling_reason)}};
  object["deploying_from"] = text_or_null(summary.deploying_from);
  object["deploy_stuck"] = !summary.deploying_from.empty() && !summary.deploy_in_progress;
  object["counts"] = counts_of(summary);
  object["cut"] = tree.is_cut;
  return object;
}

void print_paths(JsonDocument& document, const TreeStatus& tree) {
  document.put(",");
  document.array("drift", tree.open, open_object);
  document.put(",");
  document.array("unverified", tree.unverified, unverified_object);
  document.put(",");
  document.array("pending", tree.pending, finding_object);
}

void print_tree(JsonDocument& document, const TreeStatus& tree) {
  document.put("{");
  document.members(judgement_of(tree));
  document.put(",");
  document.members(coverage_of(tree));
  print_paths(document, tree);
  document.put("}");
}

void print_tree_drift(JsonDocument& document, const TreeStatus& tree) {
  json::object object;
  object["name"] = tree.summary.name;
  put_bytes(object, "root", tree.summary.root);
  object["verdict"] = json::string(to_string(tree.summary.verdict()));
  object["counts"] = counts_of(tree.summary);
  object["cut"] = tree.is_cut;
  document.put("{");
  document.members(object);
  print_paths(document, tree);
  document.put("}");
}

std::string_view name_of(StateStore::Protection protection) {
  switch (protection) {
    case StateStore::Protection::ok: return "ok";
    case StateStore::Protection::fresh: return "new";
    case StateStore::Protection::lost: break;
  }
  return "lost";
}

json::object head_of(const StatusReport& report) {
  json::object head;
  head["version"] = 1;
  head["host"] = manifests::escape(report.host);
  head["driftd"] = manifests::kVersion;
  head["verdict"] = json::string(to_string(report.verdict()));
  head["now"] = manifests::format_utc(report.now);
  return head;
}

using PrintTree = void (*)(JsonDocument& document, const TreeStatus& tree);

void print_document(const json::object& head, const StatusReport& report, const Print& print, PrintTree print_one) {
  JsonDocument document(print);
  document.put("{");
  document.members(head);
  document.put(",\"trees\":[");
  for (const TreeStatus& tree : report.trees) {
    if (&tree != &report.trees.front()) document.put(",");
    print_one(document, tree);
  }
  document.put("]}\n");
}

}  // namespace

void json_status(const StatusReport& report, const Print& print) {
  json::object head = head_of(report);
  head["started_at"] = manifests::format_utc(report.started_at);
  head["reload_problem"] = text_or_null(report.reload_problem);
  head["rollback_protection"] = json::string(name_of(report.protection));
  print_document(head, report, print, print_tree);
}

void json_drift(const StatusReport& report, const Print& print) {
  print_document(head_of(report), report, print, print_tree_drift);
}

}  // namespace driftd::daemon
