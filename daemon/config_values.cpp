#include "daemon/config_values.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

using manifests::Result;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool has_leading_zero = text.size() > 1 && text.front() == '0';
  if (error != std::errc() || end != text.data() + text.size() || has_leading_zero) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

/// A number directly followed by one of the units; nothing where the product overflows.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::vector<Unit>& units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = parse_number(text.substr(0, digits));
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& one) { return one.name == text.substr(digits); });
  if (!value || unit == units.end() || *value > UINT64_MAX / unit->factor) return std::nullopt;
  return *value * unit->factor;
}

const std::vector<Unit>& size_units() {
  static const std::vector<Unit> units{
      {"B", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}, {"TiB", 1ULL << 40U}};
  return units;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

/// In seconds, at most a year.
std::optional<std::uint64_t> parse_duration(const YamlNode& node) {
  constexpr std::uint64_t kYear = 366ULL * 86400;
  if (node.kind != YamlNode::Kind::scalar) return std::nullopt;
  const auto value = parse_with_unit(node.scalar, {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}});
  return value && *value <= kYear ? value : std::nullopt;
}

/// False where it is none.
bool parse_rate(const YamlNode& node, std::optional<std::uint64_t> (*parse)(std::string_view),
                std::optional<std::uint64_t>& target) {
  if (node.kind != YamlNode::Kind::scalar) return false;
  if (node.scalar == "unlimited") return target.reset(), true;
  std::string_view text = node.scalar;
  if (!text.ends_with("/s")) return false;
  text.remove_suffix(2);
  const auto value = parse(text);
  if (!value || *value == 0) return false;
  target = value;
  return true;
}

}  // namespace

Result<void> ConfigValues::text(const YamlNode& node, std::string& target) const {
  if (node.kind != YamlNode::Kind::scalar || node.scalar.empty()) return error(node, "must be text");
  if (node.scalar.find('\0') != std::string::npos) return error(node, "must not hold a NUL");
  target = node.scalar;
  return {};
}

Result<void> ConfigValues::texts(const YamlNode& node, std::vector<std::string>& target) const {
  if (node.kind != YamlNode::Kind::sequence) return error(node, "must be a list");
  for (const YamlNode& item : node.items) {
    if (auto taken = text(item, target.emplace_back()); !taken) return taken;
  }
  return {};
}

Result<void> ConfigValues::absolute_path(const YamlNode& node, std::string& target) const {
  if (auto taken = text(node, target); !taken) return taken;
  if (!target.starts_with('/')) return error(node, "must be an absolute path, starting with /");
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  return {};
}

Result<void> ConfigValues::absolute_paths(const YamlNode& node, std::vector<std::string>& target) const {
  if (node.kind != YamlNode::Kind::sequence) return error(node, "must be a list");
  for (const YamlNode& item : node.items) {
    if (auto taken = absolute_path(item, target.emplace_back()); !taken) return taken;
  }
  return {};
}

Result<void> ConfigValues::number(const YamlNode& node, std::uint64_t& target, std::uint64_t least,
                                  std::uint64_t most) const {
  const auto value = node.kind == YamlNode::Kind::scalar ? parse_number(node.scalar) : std::nullopt;
  if (!value || *value < least || *value > most) {
    return error(node, "must be a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  target = *value;
  return {};
}

Result<void> ConfigValues::duration(const YamlNode& node, std::chrono::seconds& target) const {
  const auto value = parse_duration(node);
  if (!value || *value == 0) return error(node, "must be a time of one second to a year, as in 90s, 30m, 24h or 7d");
  target = std::chrono::seconds(*value);
  return {};
}

Result<void> ConfigValues::duration_or_none(const YamlNode& node, std::chrono::seconds& target) const {
  const auto value = parse_duration(node);
  if (!value) return error(node, "must be a time of 0s to a year, as in 0s, 90s, 30m or 24h");
  target = std::chrono::seconds(*value);
  return {};
}

Result<void> ConfigValues::size(const YamlNode& node, std::size_t& target) const {
  const auto value = parse_with_unit(node.scalar, size_units());
  if (node.kind != YamlNode::Kind::scalar || !value || *value == 0) {
    return error(node, "must be a size, as in 512KiB, 64MiB or 1GiB");
  }
  target = *value;
  return {};
}

Result<void> ConfigValues::byte_rate(const YamlNode& node, std::optional<std::uint64_t>& target) const {
  if (parse_rate(
          node, [](auto text) { return parse_with_unit(text, size_units()); }, target))
    return {};
  return error(node, "must be a rate, as in 32MiB/s, or unlimited");
}

Result<void> ConfigValues::rate(const YamlNode& node, std::optional<std::uint64_t>& target) const {
  if (parse_rate(node, parse_number, target)) return {};
  return error(node, "must be a rate, as in 1000/s, or unlimited");
}

Result<void> ConfigValues::endpoints(const YamlNode& node, std::vector<Endpoint>& target) const {
  if (node.kind != YamlNode::Kind::sequence) return error(node, "must be a list of ADDRESS:PORT");
  for (const YamlNode& item : node.items) {
    const std::size_t colon = item.scalar.rfind(':');
    const std::uint64_t port =
        colon == std::string::npos ? 0 : parse_number(std::string_view(item.scalar).substr(colon + 1)).value_or(0);
    std::string address = item.scalar.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (item.kind != YamlNode::Kind::scalar || port == 0 || port > UINT16_MAX || address.empty()) {
      return error(item, "must be ADDRESS:PORT, as in \"0.0.0.0:9747\" or \"[::1]:9747\"");
    }
    target.push_back({std::move(address), static_cast<std::uint16_t>(port)});
  }
  return {};
}

bool is_metric_label(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto allowed = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && is_letter(name.front()) && std::all_of(name.begin(), name.end(), allowed) &&
         !name.starts_with("__") && name != "tree";
}

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t least = 3;  // a distance that is still a likely slip, plus one
  for (const std::string_view one : known) {
    const std::size_t distance = edit_distance(name, one);
    if (distance < least && distance < one.size()) {
      least = distance;
      best = one;
    }
  }
  return best;
}

}  // namespace driftd::daemon
