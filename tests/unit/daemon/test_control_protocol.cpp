#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/control_protocol.hpp"
#include "tests/unit/support/must.hpp"

using namespace driftd::daemon;
using driftd::test::must;

namespace {

std::string error_of(const std::string& line) {
  const auto request = parse_request(line);
  return request ? "none" : request.error().message;
}

}  // namespace

TEST_CASE("a request is read as it was written") {
  using Command = ControlRequest::Command;
  const std::vector<ControlRequest> requests{
      {},
      {Command::status, {}, false, true, false},
      {Command::status, {}, false, false, true},
      {Command::scan, {}, true, false, false},
      {Command::scan, {"app", "a \"b\"\n\\"}, false, false, true},
  };
  for (const ControlRequest& request : requests) {
    const std::string line = request_line(request);
    CAPTURE(line);
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(must(parse_request(line)) == request);
    CHECK(must(parse_request(line.substr(0, line.size() - 1))) == request);
  }
}

TEST_CASE("what is left out has its default") {
  CHECK(must(parse_request(R"({"version":1,"command":"status"})")) == ControlRequest{});
}

TEST_CASE("what is no request is refused, and why") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "not a JSON object in one line"},
      {"status", "not a JSON object in one line"},
      {"[]", "not a JSON object in one line"},
      {R"({"version":1,"command":"status"} x)", "not a JSON object in one line"},
      {std::string(100, '['), "not a JSON object in one line"},
      {R"({"command":"status"})", "this driftd speaks version 1 of the protocol"},
      {R"({"version":2,"command":"status","new":true})", "this driftd speaks version 1 of the protocol"},
      {R"({"version":"1","command":"status"})", "this driftd speaks version 1 of the protocol"},
      {R"({"version":1})", "no command"},
      {R"({"version":1,"command":"st\u001b"})", "unknown command \"st\\\\u001b\""},
      {R"({"version":1,"command":7})", "unknown command 7"},
      {R"({"version":1,"command":"status","\u001bx":1})", "unknown member \"\\x1bx\""},
      {R"({"version":1,"command":"status","json":1})", "a flag must be true or false"},
      {R"({"version":1,"command":"scan","wait":null})", "a flag must be true or false"},
      {R"({"version":1,"command":"scan","trees":"app"})", "\"trees\" must be an array of names"},
      {R"({"version":1,"command":"scan","trees":["app",1]})", "\"trees\" must be an array of names"},
  };
  for (const auto& [line, error] : cases) {
    CAPTURE(line);
    CHECK(error_of(line) == error);
  }
}

TEST_CASE("an answer's lines are read as they were written") {
  const std::string text = "a \"note\"\n\\ \x1b";
  CHECK(note_line(text).find('\n') == note_line(text).size() - 1);
  const ControlLine note = must(parse_answer_line(note_line(text)));
  CHECK(note.note == text);
  CHECK_FALSE(note.end);
  for (const int code : {0, 1, 2, 64}) {
    const ControlLine end = must(parse_answer_line(end_line(code, 1234)));
    REQUIRE(end.end);
    CHECK(end.end->exit == code);
    CHECK(end.end->length == 1234);
  }
}

TEST_CASE("what is no answer never passes for clean") {
  for (const char* line :
       {"", "CLEAN", "{}", R"({"exit":0})", R"({"length":0})", R"({"exit":3,"length":0})", R"({"exit":256,"length":0})",
        R"({"exit":-1,"length":0})", R"({"exit":"0","length":0})", R"({"exit":0.5,"length":0})",
        R"({"exit":0,"length":-1})", R"({"exit":0,"length":1e30})", R"({"exit":0,"length":268435457})",
        R"({"exit":4294967296,"length":0})", R"({"note":1})", R"({"exit":null,"length":null})"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_answer_line(line).has_value());
  }
}
