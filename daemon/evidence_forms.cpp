#include "daemon/evidence_forms.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <string_view>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "daemon/json_bytes.hpp"
#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

namespace json = boost::json;
using manifests::escape;
using scanner::Evidence;
using scanner::PathEvidence;

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

/// In quotes where it could be taken for more than one word or for what stands around it: a program may call itself
/// `sh (pid 1) as root`.
std::string quoted(const std::string& raw) {
  const bool is_plain = !raw.empty() && raw != "..." && std::all_of(raw.begin(), raw.end(), [](unsigned char byte) {
    return std::isalnum(byte) != 0 ||
           std::string_view("%+-./:=@^_~").find(static_cast<char>(byte)) != std::string_view::npos;
  });
  if (is_plain) return escape(raw);
  std::string text = "\"";
  for (const char byte : escape(raw)) text.append(byte == '"' ? "\\" : "") += byte;
  return text + "\"";
}

/// `alice`, or `uid 1000`.
std::string user_text(const std::optional<std::uint32_t>& uid, const std::string& name) {
  return name.empty() ? fmt::format("uid {}", *uid) : quoted(name);
}

std::string session_text(const Evidence& who) {
  std::vector<std::string> parts;
  if (who.session) parts.push_back(fmt::format("session {}", *who.session));
  if (!who.terminal.empty()) parts.push_back(quoted(who.terminal));
  if (!who.client.empty()) parts.push_back("from " + quoted(who.client));
  if (!who.unit.empty()) parts.push_back(quoted(who.unit));
  if (!who.container.empty()) parts.push_back("container " + quoted(who.container));
  return joined(parts, ", ");
}

std::string users_text(const Evidence& who) {
  std::vector<std::string> parts;
  if (who.uid) parts.push_back((who.uid_in_doubt ? "now " : "") + user_text(who.uid, who.user));
  if (who.login_uid) parts.push_back("login " + user_text(who.login_uid, who.login_user));
  return joined(parts, ", ");
}

std::string process_text(const Evidence& who) {
  const std::string program = who.executable.empty() ? "" : ", " + quoted(who.executable);
  return fmt::format("{} (pid {}{})", quoted(who.name), who.pid, program);
}

std::string parents_text(const Evidence& who) {
  std::vector<std::string> parts;
  for (const Evidence::Process& parent : who.parents)
    parts.push_back(fmt::format("{} (pid {})", quoted(parent.name), parent.pid));
  if (who.parents_cut) parts.emplace_back("...");
  return joined(parts, " < ");
}

std::string command_text(const Evidence& who) {
  std::vector<std::string> words;
  for (const std::string& word : who.arguments) words.push_back(quoted(word));
  if (who.arguments_cut) words.emplace_back("...");
  return joined(words, " ");
}

/// Bytes as they are. No reader but this program sees them.
struct Raw {
  static void put(json::object& object, const std::string& key, const std::string& raw) { object[key] = raw; }
  static void put_all(json::object& object, const std::string& key, const std::vector<std::string>& all) {
    object[key] = json::array(all.begin(), all.end());
  }
};

/// For other programs.
struct Shown {
  static void put(json::object& object, const std::string& key, const std::string& raw) { put_bytes(object, key, raw); }
  static void put_all(json::object& object, const std::string& key, const std::vector<std::string>& all) {
    const bool is_text = std::all_of(all.begin(), all.end(), [](const auto& raw) { return manifests::is_utf8(raw); });
    json::array texts;
    json::array bytes;
    for (const std::string& raw : all) {
      texts.emplace_back(is_text ? raw : escape(raw));
      bytes.emplace_back(base64_of(raw));
    }
    object[key] = std::move(texts);
    if (!is_text) object[key + "_base64"] = std::move(bytes);
  }
};

/// `Bytes` decides what becomes of those that are not UTF-8.
template <class Bytes>
json::object to_object(const PathEvidence& evidence) {
  json::object object;
  object["several"] = evidence.several;
  if (!evidence.last) return object;
  const Evidence& who = *evidence.last;
  const auto put_known = [&](const char* key, const std::string& raw) {
    if (!raw.empty()) Bytes::put(object, key, raw);
  };
  object["pid"] = who.pid;
  Bytes::put(object, "name", who.name);
  put_known("executable", who.executable);
  Bytes::put_all(object, "arguments", who.arguments);
  object["arguments_cut"] = who.arguments_cut;
  if (who.uid) object["uid"] = *who.uid;
  put_known("user", who.user);
  if (who.uid_in_doubt) object["uid_in_doubt"] = true;
  if (who.login_uid) object["login_uid"] = *who.login_uid;
  put_known("login_user", who.login_user);
  if (who.session) object["session"] = *who.session;
  put_known("terminal", who.terminal);
  put_known("client", who.client);
  put_known("unit", who.unit);
  put_known("container", who.container);
  json::array parents;
  for (const Evidence::Process& parent : who.parents) {
    json::object one;
    one["pid"] = parent.pid;
    Bytes::put(one, "name", parent.name);
    parents.push_back(std::move(one));
  }
  object["parents"] = std::move(parents);
  object["parents_cut"] = who.parents_cut;
  return object;
}

std::string text_at(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

template <class Number>
std::optional<Number> number_at(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  json::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  if (error || number > std::uint64_t{std::numeric_limits<Number>::max()}) return std::nullopt;
  return static_cast<Number>(number);
}

bool truth_at(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  const bool* truth = value != nullptr ? value->if_bool() : nullptr;
  return truth != nullptr && *truth;
}

const json::array& array_at(const json::object& object, const char* key) {
  static const json::array kNone;
  const json::value* value = object.if_contains(key);
  const json::array* array = value != nullptr ? value->if_array() : nullptr;
  return array != nullptr ? *array : kNone;
}

/// Seconds and nanoseconds.
json::array file_time_array(const scanner::FileTime& time) { return {time.seconds, time.nanoseconds}; }

std::optional<scanner::FileTime> file_time_at(const json::object& object, const char* key) {
  const json::array& parts = array_at(object, key);
  if (parts.size() != 2 || !parts[0].is_int64() || !parts[1].is_int64()) return std::nullopt;
  return scanner::FileTime{parts[0].as_int64(), static_cast<std::uint32_t>(parts[1].as_int64())};
}

/// Of this start of the host; random(4). Empty: not known.
const std::string& boot_id() {
  static const std::string kId = [] {
    std::string id;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
    return id;
  }();
  return kId;
}

Evidence read_evidence(const json::object& object, std::int32_t pid) {
  Evidence who;
  who.pid = pid;
  who.started = number_at<std::uint64_t>(object, "started").value_or(0);
  who.name = text_at(object, "name");
  who.executable = text_at(object, "executable");
  for (const json::value& one : array_at(object, "arguments")) {
    if (const json::string* word = one.if_string()) who.arguments.emplace_back(*word);
  }
  who.arguments_cut = truth_at(object, "arguments_cut");
  who.uid = number_at<std::uint32_t>(object, "uid");
  who.user = text_at(object, "user");
  who.uid_in_doubt = truth_at(object, "uid_in_doubt");
  who.login_uid = number_at<std::uint32_t>(object, "login_uid");
  who.login_user = text_at(object, "login_user");
  who.session = number_at<std::uint32_t>(object, "session");
  who.terminal = text_at(object, "terminal");
  who.client = text_at(object, "client");
  who.unit = text_at(object, "unit");
  who.container = text_at(object, "container");
  for (const json::value& one : array_at(object, "parents")) {
    const json::object* parent = one.if_object();
    if (parent == nullptr) continue;
    who.parents.push_back({number_at<std::int32_t>(*parent, "pid").value_or(0), text_at(*parent, "name")});
  }
  who.parents_cut = truth_at(object, "parents_cut");
  return who;
}

}  // namespace

std::string evidence_line(const PathEvidence& evidence) {
  if (!evidence.last) return evidence.several ? "unknown, and others" : "unknown";
  std::vector<std::string> parts{process_text(*evidence.last)};
  for (const std::string& part : {users_text(*evidence.last), session_text(*evidence.last)}) {
    if (!part.empty()) parts.push_back(part);
  }
  if (evidence.several) parts.emplace_back("and others before");
  return joined(parts, ", ");
}

std::vector<std::pair<std::string, std::string>> evidence_rows(const PathEvidence& evidence) {
  std::vector<std::pair<std::string, std::string>> rows;
  if (!evidence.last) return {{"by", evidence_line(evidence)}};
  const Evidence& who = *evidence.last;
  rows.emplace_back("by", process_text(who) + ", seen " + manifests::format_utc(evidence.at) +
                              (evidence.several ? ", and others before" : ""));
  const std::pair<const char*, std::string> known[] = {{"command", command_text(who)},
                                                       {"user", users_text(who)},
                                                       {"session", session_text(who)},
                                                       {"parents", parents_text(who)}};
  for (const auto& [name, text] : known) {
    if (!text.empty()) rows.emplace_back(name, text);
  }
  return rows;
}

json::object evidence_object(const PathEvidence& evidence) {
  json::object object = to_object<Shown>(evidence);
  if (evidence.last) object["seen_at"] = manifests::format_utc(evidence.at);
  return object;
}

std::string stored_evidence(const PathEvidence& evidence) {
  json::object object = to_object<Raw>(evidence);
  object["at"] = evidence.at;
  if (evidence.last) object["started"] = evidence.last->started;
  if (evidence.file.inode != 0) object["inode"] = evidence.file.inode;
  if (evidence.file.born != 0) object["born"] = evidence.file.born;
  if (evidence.file.device != 0 && !boot_id().empty()) {
    object["device"] = evidence.file.device;
    object["boot"] = boot_id();
  }
  if (evidence.changed) {
    object["changed"] = file_time_array(evidence.changed->first);
    object["changed_latest"] = file_time_array(evidence.changed->latest);
  }
  return json::serialize(object);
}

std::optional<PathEvidence> read_stored_evidence(std::string_view bytes) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::error_code error;
  const json::value value = json::parse(bytes, error, {}, options);
  const json::object* object = error ? nullptr : value.if_object();
  const auto at = object != nullptr ? number_at<std::int64_t>(*object, "at") : std::nullopt;
  if (!at || *at > manifests::kLastUtcTime) return std::nullopt;
  PathEvidence evidence;
  evidence.at = *at;
  evidence.several = truth_at(*object, "several");
  evidence.file.inode = number_at<std::uint64_t>(*object, "inode").value_or(0);
  evidence.file.born = number_at<std::int64_t>(*object, "born").value_or(0);
  // Another start of the host may give them to other file systems.
  const bool is_this_boot = !boot_id().empty() && text_at(*object, "boot") == boot_id();
  if (is_this_boot) evidence.file.device = number_at<std::uint64_t>(*object, "device").value_or(0);
  const auto first = file_time_at(*object, "changed");
  const auto latest = file_time_at(*object, "changed_latest");
  if (first && latest) evidence.changed = PathEvidence::Changed{*first, *latest};
  const auto pid = number_at<std::int32_t>(*object, "pid");
  if (pid) evidence.last = std::make_shared<const Evidence>(read_evidence(*object, *pid));
  return evidence;
}

}  // namespace driftd::daemon
