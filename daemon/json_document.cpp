#include "daemon/json_document.hpp"

#include <cstdio>
#include <optional>

#include "daemon/json_bytes.hpp"
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

}  // namespace

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

json::value manifest_value(const manifests::VerifiedManifest* manifest, std::int64_t now) {
  if (manifest == nullptr) return nullptr;
  const manifests::Header& header = manifest->header();
  json::object object;
  object["release"] = header.release;
  object["sequence"] = header.sequence;
  object["content"] = "blake3:" + to_hex(manifest->content());
  json::array keys;
  for (const auto& key : manifest->keys()) keys.emplace_back(to_string(key.id));
  object["keys"] = std::move(keys);
  object["created"] = manifests::format_utc(header.created);
  object["expires"] = header.expires ? json::value(manifests::format_utc(*header.expires)) : nullptr;
  object["expired"] = is_expired(header, now);
  object["overrides"] = json::array(header.overrides.begin(), header.overrides.end());
  return object;
}

}  // namespace driftd::daemon
