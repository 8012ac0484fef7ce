#include <algorithm>

#include <boost/json.hpp>

#include "daemon/evidence_forms.hpp"
#include "daemon/json_bytes.hpp"
#include "daemon/json_document.hpp"
#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

namespace json = boost::json;

json::object head_of(const TreeReport& tree, std::int64_t now) {
  json::object object;
  object["name"] = tree.name;
  put_bytes(object, "root", tree.root);
  object["verdict"] = json::string(to_string(tree.verdict()));
  object["manifest"] = manifest_value(tree.manifest.get(), std::max(now, tree.trusted_now));
  object["entries"] = tree.scan ? tree.scan->entries : 0;
  object["bytes"] = tree.scan ? tree.scan->hashed_bytes : 0;
  object["seconds"] = tree.seconds;
  object["partial"] = tree.partial;
  return object;
}

json::object tail_of(const TreeReport& tree) {
  json::object object;
  object["replay_checked"] = tree.replay_unchecked.empty();
  object["trust_reset"] = tree.trust_reset
                              ? json::value(json::object{{"at", manifests::format_utc(tree.trust_reset->at)},
                                                         {"reason", tree.trust_reset->reason}})
                              : nullptr;
  json::array problems;
  for (const Problem& problem : tree.problems) {
    problems.push_back(json::object{{"what", problem.what}, {"reason", problem.reason}, {"message", problem.message}});
  }
  object["problems"] = std::move(problems);
  return object;
}

void print_tree(JsonDocument& document, const TreeReport& tree, std::int64_t now) {
  const scanner::ScanResult none;
  const scanner::ScanResult& scan = tree.scan ? *tree.scan : none;
  document.put("{");
  document.members(head_of(tree, now));
  document.put(",");
  document.array("drift", scan.findings, [&](const scanner::Finding& finding) {
    json::object object = finding_object(finding);
    const auto known = tree.evidence.find(finding.path);
    if (known != tree.evidence.end()) object["evidence"] = evidence_object(known->second);
    return object;
  });
  document.put(",");
  document.array("unverified", scan.unverified, unverified_object);
  document.put(",");
  document.members(
      {{"deploying_from", tree.deploying_from.empty() ? json::value() : json::value(tree.deploying_from)}});
  document.put(",");
  document.array("pending", scan.pending, finding_object);
  document.put(",");
  document.members(tail_of(tree));
  document.put("}");
}

}  // namespace

void json_report(const CheckReport& report, const Print& print) {
  json::object head;
  head["version"] = 1;
  head["host"] = manifests::escape(report.host);
  head["verdict"] = json::string(to_string(report.verdict()));
  head["checked_at"] = manifests::format_utc(report.checked_at);
  head["replay_checked"] = std::all_of(report.trees.begin(), report.trees.end(),
                                       [](const TreeReport& tree) { return tree.replay_unchecked.empty(); });
  JsonDocument document(print);
  document.put("{");
  document.members(head);
  document.put(",\"trees\":[");
  for (const TreeReport& tree : report.trees) {
    if (&tree != &report.trees.front()) document.put(",");
    print_tree(document, tree, report.checked_at);
  }
  document.put("]}\n");
}

}  // namespace driftd::daemon
