#pragma once

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "manifests/error.hpp"

/// Lets CHECK(result) say what went wrong.
template <class Value>
struct doctest::StringMaker<driftd::manifests::Result<Value>> {
  static String convert(const driftd::manifests::Result<Value>& result) {
    return result ? String("a value") : String(("the error: " + result.error().message).c_str());
  }
};

namespace driftd::test {

/// Fails the test unless `result` is an error of this kind whose message holds `part`.
template <class Value>
void check_error(const manifests::Result<Value>& result, manifests::ErrorCode code, std::string_view part) {
  if (result) {
    FAIL_CHECK("taken, where an error was due: ", std::string(part));
    return;
  }
  const std::string& message = result.error().message;
  CHECK_MESSAGE(result.error().code == code, "wanted ", std::string(to_string(code)), ", got ",
                std::string(to_string(result.error().code)), ": ", message);
  CHECK_MESSAGE(message.find(part) != std::string::npos, "wanted '", std::string(part), "', got: ", message);
}

}  // namespace driftd::test
