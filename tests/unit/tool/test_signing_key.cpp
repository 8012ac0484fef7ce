#include <string>

#include <doctest/doctest.h>

#include "manifests/tool/signing_key.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;

TEST_CASE("a key in a variable becomes a key file's text") {
  struct Row {
    const char* variable;
    const char* text;
  };
  for (const Row& row : {
           Row{"untrusted comment: x\nRWQ=\n", "untrusted comment: x\nRWQ=\n"},
           Row{"untrusted comment: x\nRWQ=", "untrusted comment: x\nRWQ=\n"},
           Row{"untrusted comment: x\r\nRWQ=\r\n", "untrusted comment: x\nRWQ=\n"},
           Row{"untrusted comment: x\r\nRWQ=", "untrusted comment: x\nRWQ=\n"},
           Row{"RWQ=", "untrusted comment: \nRWQ=\n"},
           Row{"RWQ= \t\r\n\n", "untrusted comment: \nRWQ=\n"},
           Row{"", "untrusted comment: \n\n"},
           Row{"a\rb", "untrusted comment: \na\rb\n"},
           Row{"1\n2\n3\n", "1\n2\n3\n"},
       }) {
    CHECK(std::string(key_file_text(row.variable).view()) == row.text);
  }
}
