#include "manifests/tool/manifest_json.hpp"

#include <cstdio>

#include <boost/json.hpp>

#include "manifests/base64.hpp"
#include "manifests/escape.hpp"
#include "manifests/tool/describe.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests::tool {
namespace {

namespace json = boost::json;

std::string base64(std::string_view raw) {
  return to_base64({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()}, Base64::standard);
}

void put_bytes(json::object& object, const std::string& key, std::string_view raw) {
  if (is_utf8(raw)) {
    object[key] = raw;
  } else {
    object[key] = escape(raw);
    object[key + "_base64"] = base64(raw);
  }
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

/// As in driftd's own JSON.
json::string type_name(EntryType type) {
  switch (type) {
    case EntryType::file: return "file";
    case EntryType::directory: return "directory";
    case EntryType::symlink: return "symlink";
  }
  return {};
}

json::object header_object(const ReadManifest& manifest) {
  const Header& header = manifest.manifest.header();
  json::array labels;
  for (const auto& [key, value] : header.labels) labels.push_back(json::object{{"key", key}, {"value", value}});
  json::array rules;
  for (const Glob& glob : header.mutable_globs) rules.emplace_back(glob.text());
  return {{"name", header.name},
          {"release", header.release},
          {"sequence", header.sequence},
          {"created", format_utc(header.created)},
          {"expires", header.expires ? json::value(format_utc(*header.expires)) : json::value(nullptr)},
          {"source", text_or_null(header.source)},
          {"artifact", text_or_null(header.artifact)},
          {"pipeline", text_or_null(header.pipeline)},
          {"overrides", json::array(header.overrides.begin(), header.overrides.end())},
          {"labels", std::move(labels)},
          {"mutable", std::move(rules)},
          {"content", "blake3:" + to_hex(manifest.content)},
          {"entry_count", manifest.manifest.size()}};
}

std::string text_of(const json::object& object) { return escape_json(json::serialize(object)); }

}  // namespace

std::string entry_json(std::string_view path, const Entry& entry) {
  const Attributes& attributes = entry.attributes;
  json::object object;
  put_bytes(object, "path", path);
  object["type"] = type_name(entry.type);
  if (entry.size) object["size"] = *entry.size;
  if (entry.blake3) object["blake3"] = to_hex(*entry.blake3);
  if (entry.sha256) object["sha256"] = to_hex(*entry.sha256);
  if (attributes.mode) object["mode"] = mode_text(entry);
  const bool is_exec_checked = entry.type == EntryType::file && !attributes.mode && !entry.any_exec;
  if (is_exec_checked) object["executable"] = entry.executable;
  if (attributes.uname) object["owner"] = *attributes.uname;
  if (attributes.uid) object["uid"] = *attributes.uid;
  if (attributes.gname) object["group"] = *attributes.gname;
  if (attributes.gid) object["gid"] = *attributes.gid;
  if (attributes.link) put_bytes(object, "target", *attributes.link);
  if (attributes.capability) object["capability_base64"] = base64(*attributes.capability);
  if (attributes.acl) object["acl"] = to_hex(*attributes.acl);
  if (entry.optional) object["optional"] = true;
  if (entry.ignore) object["ignore"] = true;
  return text_of(object);
}

std::string header_json(const ReadManifest& manifest) { return text_of(header_object(manifest)); }

std::string list_json(const std::vector<std::string>& texts) {
  return escape_json(json::serialize(json::array(texts.begin(), texts.end())));
}

void print_json(const ReadManifest& manifest) {
  json::object head = {{"version", 1}, {"signature_checked", false}};
  for (const auto& member : header_object(manifest)) head[member.key()] = member.value();
  std::string text = text_of(head);
  text.pop_back();  // the closing brace, which comes after the entries
  text += ",\"entries\":[";
  const Manifest& list = manifest.manifest;
  for (EntryIndex entry = 0; entry < list.size(); ++entry) {
    text += entry == kRootEntry ? "\n" : ",\n";
    text += entry_json(entry == kRootEntry ? "." : list.path(entry), list.entry(entry));
    std::fwrite(text.data(), 1, text.size(), stdout);
    text.clear();
  }
  std::fputs("\n]}\n", stdout);
}

}  // namespace driftd::manifests::tool
