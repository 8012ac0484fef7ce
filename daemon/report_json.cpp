#include <algorithm>

#include <boost/json.hpp>

#include "daemon/evidence_forms.hpp"
#include "daemon/json_bytes.hpp"
#include "daemon/report.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

namespace json = boost::json;
using scanner::Facts;
using scanner::Finding;

template <class Value, class Convert>
void put_if(json::object& object, const char* key, const std::optional<Value>& value, Convert convert) {
  if (value) object[key] = convert(*value);
}

/// One side of a finding: what the changes speak of. A digest that was not computed is null.
json::object facts_object(const Facts& facts, const Facts& other_side) {
  json::object object;
  const auto hex = [](const manifests::Digest& digest) { return to_hex(digest); };
  const auto same = [](const auto& value) { return value; };
  put_if(object, "type", facts.type, [](scanner::FileType type) { return json::string(to_string(type)); });
  put_if(object, "size", facts.size, same);
  if (facts.blake3 || other_side.blake3) object["blake3"] = facts.blake3 ? json::value(to_hex(*facts.blake3)) : nullptr;
  put_if(object, "sha256", facts.sha256, hex);
  put_if(object, "mode", facts.mode, [](std::uint32_t mode) {
    char text[8];
    std::snprintf(text, sizeof text, "%04o", mode);
    return std::string(text);
  });
  put_if(object, "executable", facts.executable, same);
  if (facts.owner) put_bytes(object, "owner", *facts.owner);
  if (facts.group) put_bytes(object, "group", *facts.group);
  if (facts.target) put_bytes(object, "target", *facts.target);
  put_if(object, "capability_base64", facts.capability, base64_of);
  put_if(object, "acl", facts.acl, hex);
  put_if(object, "release", facts.release, same);
  return object;
}

json::object finding_object(const Finding& finding) {
  json::object object;
  put_bytes(object, "path", finding.path);
  object["kind"] = json::string(to_string(finding.kind));
  json::array changes;
  for (const scanner::Change change : scanner::kAllChanges) {
    if (finding.changes.has(change)) changes.emplace_back(json::string(to_string(change)));
  }
  object["changes"] = std::move(changes);
  const bool is_missing = finding.kind == scanner::DriftKind::missing;
  const bool is_added = finding.kind == scanner::DriftKind::added;
  const Facts expected = finding.expected.unpack();
  const Facts actual = finding.actual.unpack();
  object["expected"] = is_added ? json::value(nullptr) : facts_object(expected, actual);
  object["actual"] = is_missing ? json::value(nullptr) : facts_object(actual, expected);
  if (finding.changed_at) object["changed_at"] = manifests::format_utc(*finding.changed_at);
  if (finding.below > 0) object["below"] = finding.below;
  return object;
}

json::object unverified_object(const scanner::Unverified& unverified) {
  json::object object;
  put_bytes(object, "path", unverified.path);
  object["reason"] = json::string(to_string(unverified.reason));
  if (unverified.below > 0) object["below"] = unverified.below;
  return object;
}

json::value manifest_value(const TreeReport& tree, std::int64_t now) {
  if (!tree.manifest) return nullptr;
  const manifests::Header& header = tree.manifest->header();
  json::object object;
  object["release"] = header.release;
  object["sequence"] = header.sequence;
  object["content"] = "blake3:" + to_hex(tree.manifest->content());
  json::array keys;
  for (const auto& key : tree.manifest->keys()) keys.emplace_back(to_string(key.id));
  object["keys"] = std::move(keys);
  object["created"] = manifests::format_utc(header.created);
  object["expires"] = header.expires ? json::value(manifests::format_utc(*header.expires)) : nullptr;
  object["expired"] = is_expired(header, now);
  object["overrides"] = json::array(header.overrides.begin(), header.overrides.end());
  return object;
}

/// Prints a document in pieces that are values or members as a whole.
class Document {
 public:
  explicit Document(const Print& print) : print_(print) {}

  void put(std::string_view text) { print_(text); }
  void value(const json::value& value) { put(manifests::escape_json(json::serialize(value))); }
  /// Without the braces.
  void members(const json::object& object) {
    const std::string text = manifests::escape_json(json::serialize(object));
    put(std::string_view(text).substr(1, text.size() - 2));
  }
  /// A member that is an array, with one piece for each item.
  template <class Item, class Convert>
  void array(std::string_view key, const std::vector<Item>& items, Convert convert) {
    put("\"" + std::string(key) + "\":[");
    for (const Item& item : items) {
      if (&item != &items.front()) put(",");
      value(convert(item));
    }
    put("]");
  }

 private:
  const Print& print_;
};

json::object head_of(const TreeReport& tree, std::int64_t now) {
  json::object object;
  object["name"] = tree.name;
  put_bytes(object, "root", tree.root);
  object["verdict"] = json::string(to_string(tree.verdict()));
  object["manifest"] = manifest_value(tree, std::max(now, tree.trusted_now));
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

void print_tree(Document& document, const TreeReport& tree, std::int64_t now) {
  const scanner::ScanResult none;
  const scanner::ScanResult& scan = tree.scan ? *tree.scan : none;
  document.put("{");
  document.members(head_of(tree, now));
  document.put(",");
  document.array("drift", scan.findings, [&](const Finding& finding) {
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
  Document document(print);
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
