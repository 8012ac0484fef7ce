#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manifests/error.hpp"

namespace driftd::daemon {

/// A place in a configuration file; line and column count from 1.
struct YamlMark {
  std::size_t line = 1;
  std::size_t column = 1;
};

struct YamlPair;

/// YAML as a configuration wants it: scalars are text, and nothing is inferred. Maps keep their order.
struct YamlNode {
  enum class Kind { null, scalar, sequence, map };

  Kind kind = Kind::null;
  YamlMark mark;
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<YamlPair> pairs;  ///< keys are scalars, each once
};

struct YamlPair {
  YamlNode key;
  YamlNode value;
};

/// Errors start with `FILE:LINE:COLUMN: `.
manifests::Error yaml_error(const std::string& file, YamlMark mark, std::string_view what);

/// One document. Refused: duplicate keys, aliases and anchors, tags, keys that are no scalars, a second document,
/// nesting deeper than 32.
manifests::Result<YamlNode> parse_yaml(const std::string& text, const std::string& file);

}  // namespace driftd::daemon
