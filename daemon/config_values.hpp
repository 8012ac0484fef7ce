#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/yaml_tree.hpp"
#include "manifests/error.hpp"

/// The kinds of values that a configuration has. Each function reads one node into `target` or says what is wrong with
/// it, where.
namespace driftd::daemon {

struct ConfigValues {
  std::string file;

  [[nodiscard]] manifests::Error error(const YamlNode& node, std::string_view what) const {
    return yaml_error(file, node.mark, what);
  }

  manifests::Result<void> text(const YamlNode& node, std::string& target) const;
  manifests::Result<void> texts(const YamlNode& node, std::vector<std::string>& target) const;
  manifests::Result<void> absolute_path(const YamlNode& node, std::string& target) const;
  manifests::Result<void> absolute_paths(const YamlNode& node, std::vector<std::string>& target) const;
  /// Plain decimals only: `017` is refused rather than taken for 15 or 17.
  manifests::Result<void> number(const YamlNode& node, std::uint64_t& target, std::uint64_t least,
                                 std::uint64_t most) const;
  /// A number with s, m, h or d; at least one second, at most a year.
  manifests::Result<void> duration(const YamlNode& node, std::chrono::seconds& target) const;
  /// The same, or 0s.
  manifests::Result<void> duration_or_none(const YamlNode& node, std::chrono::seconds& target) const;
  /// A number with B, KiB, MiB, GiB or TiB.
  manifests::Result<void> size(const YamlNode& node, std::size_t& target) const;
  /// A size followed by `/s`; or `unlimited`, which is nothing.
  manifests::Result<void> byte_rate(const YamlNode& node, std::optional<std::uint64_t>& target) const;
  /// The same with a number, as in 1000/s.
  manifests::Result<void> rate(const YamlNode& node, std::optional<std::uint64_t>& target) const;
  /// A list of ADDRESS:PORT, with [] around IPv6 addresses.
  manifests::Result<void> endpoints(const YamlNode& node, std::vector<Endpoint>& target) const;

  template <class Value>
  manifests::Result<void> choice(const YamlNode& node, Value& target,
                                 const std::vector<std::pair<std::string_view, Value>>& values) const {
    std::string wanted;
    for (const auto& [name, value] : values) {
      if (node.kind == YamlNode::Kind::scalar && node.scalar == name) return target = value, manifests::Result<void>{};
      wanted.append(wanted.empty() ? "" : ", ").append(name);
    }
    return error(node, "must be one of " + wanted);
  }
};

/// True for a name that Prometheus takes as a label of driftd_tree_info.
bool is_metric_label(std::string_view name);

/// What somebody who wrote `name` may have meant, or empty.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace driftd::daemon
