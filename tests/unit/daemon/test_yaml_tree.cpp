#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/yaml_tree.hpp"
#include "tests/unit/support/must.hpp"

using driftd::daemon::parse_yaml;
using driftd::daemon::YamlNode;
using driftd::test::must;
using Kind = YamlNode::Kind;

namespace {

YamlNode parse(const std::string& text) { return must(parse_yaml(text, "f.yaml")); }

std::string error_of(const std::string& text) {
  const auto node = parse_yaml(text, "f.yaml");
  return node ? "accepted" : node.error().message;
}

/// `[a, b]` and `{a: b}`, so that a tree can be compared as text.
std::string show(const YamlNode& node) {
  switch (node.kind) {
    case Kind::null: return "~";
    case Kind::scalar: return "'" + node.scalar + "'";
    case Kind::sequence: {
      std::string text;
      for (const YamlNode& item : node.items) text += (text.empty() ? "" : ", ") + show(item);
      return "[" + text + "]";
    }
    case Kind::map: break;
  }
  std::string text;
  for (const auto& pair : node.pairs) text += (text.empty() ? "" : ", ") + show(pair.key) + ": " + show(pair.value);
  return "{" + text + "}";
}

std::string place(const YamlNode& node) {
  return std::to_string(node.mark.line) + ":" + std::to_string(node.mark.column);
}

}  // namespace

TEST_CASE("scalars are text and nothing else, maps keep their order") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "~"},
      {"# a comment\n", "~"},
      {"~", "~"},
      {"null", "~"},
      {"'null'", "'null'"},
      {"\"\"", "''"},
      {"yes", "'yes'"},
      {"017", "'017'"},
      {"1e3", "'1e3'"},
      {"b: 1\na: [x, 'y z', \"\\x41\\n\"]\nc:\n", "{'b': '1', 'a': ['x', 'y z', 'A\n'], 'c': ~}"},
      {"- 1\n- - 2\n  - 3\n- {k: v}\n", "['1', ['2', '3'], {'k': 'v'}]"},
      {"---\na: 1\n...\n", "{'a': '1'}"},
      {"a: |\n  two\n  lines\n", "{'a': 'two\nlines\n'}"},
      {"{a, b: 1}", "{'a': ~, 'b': '1'}"},
      {"\xef\xbb\xbf"
       "a: 1\n",
       "{'a': '1'}"},
  };
  for (const auto& [text, tree] : cases) {
    CAPTURE(text);
    CHECK(show(parse(text)) == tree);
  }
}

TEST_CASE("every node knows its place") {
  const YamlNode root = parse("a: 1\nbb:\n  - x\n  - {k:  v}\nc: \"q\"\n");
  REQUIRE(root.pairs.size() == 3);
  CHECK(place(root) == "1:1");
  CHECK(place(root.pairs[0].key) == "1:1");
  CHECK(place(root.pairs[0].value) == "1:4");
  CHECK(place(root.pairs[1].key) == "2:1");
  CHECK(place(root.pairs[1].value) == "3:3");
  CHECK(place(root.pairs[1].value.items[0]) == "3:5");
  CHECK(place(root.pairs[1].value.items[1]) == "4:5");
  CHECK(place(root.pairs[1].value.items[1].pairs[0].key) == "4:6");
  CHECK(place(root.pairs[1].value.items[1].pairs[0].value) == "4:10");
  CHECK(place(root.pairs[2].value) == "5:4");
}

TEST_CASE("what a configuration must not hold is refused where it stands") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands twice; first in line 1"},
      {"x: {a: 1, a: 2}\n", "f.yaml:1:11: the key 'a' stands twice; first in line 1"},
      {"a: 1\n'a': 2\n", "f.yaml:2:1: the key 'a' stands twice; first in line 1"},
      {"? \"a\\e\"\n: 1\n? \"a\\e\"\n: 2\n", "f.yaml:3:3: the key 'a\\x1b' stands twice; first in line 1"},
      {"a: &x 1\nb: *x\n", "f.yaml:1:4: anchors are not allowed; write the value out"},
      {"a: &x [1]\n", "f.yaml:1:4: anchors are not allowed; write the value out"},
      {"a: &x {b: 1}\n", "f.yaml:1:4: anchors are not allowed; write the value out"},
      {"a: &x\n", "f.yaml:1:4: anchors are not allowed; write the value out"},
      {"a: !!int 3\n", "f.yaml:1:4: tags are not allowed"},
      {"a: !x [1]\n", "f.yaml:1:4: tags are not allowed"},
      {"a: !x {b: 1}\n", "f.yaml:1:4: tags are not allowed"},
      {"? [a]\n: b\n", "f.yaml:1:3: a key must be plain text"},
      {"{{a: b}: c}\n", "f.yaml:1:2: a key must be plain text"},
      {"a: 1\n~: 2\n", "f.yaml:2:1: a key must be plain text"},
      {"a: 1\n---\nb: 2\n", "f.yaml:3:1: a second document; one is all that a configuration can hold"},
  };
  for (const auto& [text, error] : cases) {
    CAPTURE(text);
    CHECK(error_of(text) == error);
  }
  // The parser's own words are its own; the place is ours.
  const std::vector<std::pair<std::string, std::string>> broken{{"a: *x\n", "f.yaml:1:4: "},
                                                                {"a: [1\n", "f.yaml:2:1: "},
                                                                {"a: 1\n b: 2\n", "f.yaml:2:3: "},
                                                                {"a: 'x", "f.yaml:1:6: "}};
  for (const auto& [text, where] : broken) {
    CAPTURE(text);
    CHECK(error_of(text).substr(0, where.size()) == where);
  }
}

TEST_CASE("nesting has a limit") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(error_of(nested(32)) == "accepted");
  CHECK(error_of(nested(33)) == "f.yaml:1:33: nested deeper than 32 levels");
  CHECK(error_of(std::string(100'000, '[')).starts_with("f.yaml:1:"));
  CHECK(error_of(std::string(100'000, '{')).starts_with("f.yaml:1:"));
}

TEST_CASE("a file's name is safe to show") {
  CHECK(parse_yaml("[", "a\n\x1b[2J.yaml").error().message.starts_with("a\\x0a\\x1b[2J.yaml:"));
}

TEST_CASE("no text at all crashes the reader, and every refusal has a place") {
  std::mt19937 random(20261121);
  const std::string seed =
      "trees:\n  - name: myapp\n    root: /srv # c\n    require: {env: \"a\\n\", host: '%H'}\n---\n|\n>\n&x *x !t ? : "
      "~";
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed;
    for (auto edits = random() % 8; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, 1 + random() % 20); break;
        case 2: text.insert(at, text.substr(random() % text.size(), 1 + random() % 20)); break;
        default: text.insert(at, 1, "[]{}:,-?&*!|>'\"%@`#~\n\t"[random() % 23]);
      }
      if (text.empty()) text = "-";
    }
    CAPTURE(text);
    const auto node = parse_yaml(text, "f.yaml");
    if (!node) {
      const std::string& message = node.error().message;
      CHECK(message.starts_with("f.yaml:"));
      CHECK(message.find('\n') == std::string::npos);
    }
  }
}
