#include "daemon/control_protocol.hpp"

#include <boost/json.hpp>

#include "manifests/escape.hpp"
#include "manifests/exit_code.hpp"

namespace driftd::daemon {
namespace {

namespace json = boost::json;
using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;

constexpr std::int64_t kVersion = 1;

Error wrong(std::string message) { return {ErrorCode::usage, std::move(message)}; }

Result<json::object> parse_object(std::string_view line) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error);
  if (error || !value.is_object()) return wrong("not a JSON object in one line");
  return std::move(value.get_object());
}

std::string text_of(const json::value& value) {
  const json::string& text = value.get_string();
  return {text.data(), text.size()};
}

bool is_version(const json::value& value) { return value.is_int64() && value.get_int64() == kVersion; }

Result<void> take_flag(const json::value& value, bool& flag) {
  if (!value.is_bool()) return wrong("a flag must be true or false");
  flag = value.get_bool();
  return {};
}

Result<void> take_trees(const json::value& value, std::vector<std::string>& trees) {
  if (!value.is_array()) return wrong("\"trees\" must be an array of names");
  for (const json::value& one : value.get_array()) {
    if (!one.is_string()) return wrong("\"trees\" must be an array of names");
    trees.push_back(text_of(one));
  }
  return {};
}

Result<void> take_command(const json::value& value, ControlRequest& request) {
  if (value == "status") {
    request.command = ControlRequest::Command::status;
  } else if (value == "scan") {
    request.command = ControlRequest::Command::scan;
  } else {
    return wrong("unknown command " + manifests::escape(json::serialize(value)));
  }
  return {};
}

Result<void> take_member(std::string_view key, const json::value& value, ControlRequest& request) {
  if (key == "version") return {};
  if (key == "command") return take_command(value, request);
  if (key == "trees") return take_trees(value, request.trees);
  if (key == "wait") return take_flag(value, request.wait);
  if (key == "json") return take_flag(value, request.json);
  if (key == "colour") return take_flag(value, request.colour);
  return wrong("unknown member \"" + manifests::escape(key) + "\"");
}

}  // namespace

std::string request_line(const ControlRequest& request) {
  json::object object;
  object["version"] = kVersion;
  object["command"] = request.command == ControlRequest::Command::status ? "status" : "scan";
  object["trees"] = json::array(request.trees.begin(), request.trees.end());
  object["wait"] = request.wait;
  object["json"] = request.json;
  object["colour"] = request.colour;
  return json::serialize(object) + "\n";
}

Result<ControlRequest> parse_request(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return object.error();
  // Before all else: another version may mean something else by any other member.
  const json::value* version = object->if_contains("version");
  if (version == nullptr || !is_version(*version)) return wrong("this driftd speaks version 1 of the protocol");
  if (!object->contains("command")) return wrong("no command");
  ControlRequest request;
  for (const auto& [key, value] : *object) {
    if (auto taken = take_member({key.data(), key.size()}, value, request); !taken) return taken.error();
  }
  return request;
}

std::string note_line(std::string_view note) {
  return json::serialize(json::object{{"note", json::string_view(note.data(), note.size())}}) + "\n";
}

std::string end_line(int exit, std::size_t length) {
  return json::serialize(json::object{{"exit", exit}, {"length", length}}) + "\n";
}

Result<ControlLine> parse_answer_line(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return object.error();
  const json::value* note = object->if_contains("note");
  if (note != nullptr && note->is_string()) return ControlLine{text_of(*note), {}};
  const json::value* exit = object->if_contains("exit");
  const json::value* length = object->if_contains("length");
  if (exit == nullptr || length == nullptr) return wrong("neither a note nor an end");
  boost::system::error_code error;
  const auto code = exit->to_number<int>(error);
  // Nothing else is an exit code of ours; above all, nothing else may pass as one.
  const bool is_known = !error && (code == manifests::kExitClean || code == manifests::kExitUnknown ||
                                   code == manifests::kExitDrift || code == manifests::kExitUsage);
  const auto bytes = is_known ? length->to_number<std::size_t>(error) : 0;
  if (!is_known || error || bytes > kMaxControlBody) return wrong("no end that makes sense");
  return ControlLine{{}, ControlLine::End{code, bytes}};
}

}  // namespace driftd::daemon
