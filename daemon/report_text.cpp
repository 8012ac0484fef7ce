#include "daemon/report_text.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "manifests/escape.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;
using scanner::Change;
using scanner::DriftKind;
using scanner::Facts;
using scanner::Finding;

constexpr std::size_t kShortKeyId = 8;

std::string mode_change(const Facts& expected, const Facts& actual) {
  const std::uint32_t mode = actual.mode.value_or(0);
  if (expected.mode) return fmt::format("mode {:04o} -> {:04o}", *expected.mode, mode);
  std::vector<std::string> wrong;
  if ((mode & 04000U) != 0) wrong.emplace_back("setuid");
  if ((mode & 02000U) != 0) wrong.emplace_back("setgid");
  if ((mode & 0002U) != 0) wrong.emplace_back("world-writable");
  if (expected.executable && actual.executable && *expected.executable != *actual.executable) {
    wrong.emplace_back(*actual.executable ? "executable" : "not executable");
  }
  return fmt::format("mode {:04o}: {}", mode, fmt::join(wrong, ", "));
}

std::string describe_change(Change change, DriftKind kind, const Facts& expected, const Facts& actual) {
  const auto text = [](const auto& value) { return value ? escape(*value) : std::string("none"); };
  switch (change) {
    case Change::type:
      return kind == DriftKind::added ? "a " + std::string(to_string(*actual.type))
                                      : fmt::format("{} -> {}", to_string(*expected.type), to_string(*actual.type));
    case Change::content: return "content";
    case Change::size: return fmt::format("size {} -> {}", expected.size.value_or(0), actual.size.value_or(0));
    case Change::target: return fmt::format("{} -> {}", text(expected.target), text(actual.target));
    case Change::mode: return mode_change(expected, actual);
    case Change::owner: return fmt::format("owner {} -> {}", text(expected.owner), text(actual.owner));
    case Change::group: return fmt::format("group {} -> {}", text(expected.group), text(actual.group));
    case Change::capability: return actual.capability ? "capability set" : "capability gone";
    case Change::acl: return actual.acl ? "ACL set" : "ACL gone";
    case Change::release:
      return fmt::format("is exactly {}, expected {}", text(actual.release), text(expected.release));
  }
  return {};
}

bool needs_no_quotes(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return is_letter || (c >= '0' && c <= '9') || std::string_view("/._-+:@%=,").find(c) != std::string_view::npos;
}

}  // namespace

std::string paint(std::string_view text, std::string_view code, Colour colour) {
  return colour == Colour::ansi ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string verdict_text(Verdict verdict, Colour colour) {
  switch (verdict) {
    case Verdict::clean: return paint("CLEAN", "32", colour);
    case Verdict::drift: return paint("DRIFT", "1;31", colour);
    case Verdict::unknown: break;
  }
  return paint("UNKNOWN", "1;33", colour);
}

std::string lasting(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string ago(std::int64_t seconds) { return seconds < 0 ? "in the future" : lasting(seconds) + " ago"; }

std::string count(std::uint64_t number, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string share_of_drift(std::uint64_t drift, std::uint64_t entries) {
  const std::string all = count(entries, "entry", "entries");
  return drift <= entries ? fmt::format("{} of {}", drift, all) : fmt::format("{} paths, {}", drift, all);
}

std::string signed_by(const manifests::VerifiedManifest& manifest) {
  std::string keys;
  for (const auto& key : manifest.keys()) keys += (keys.empty() ? "" : ", ") + to_string(key.id).substr(0, kShortKeyId);
  return fmt::format("signed by {} on {}", keys, manifests::format_utc(manifest.header().created).substr(0, 10));
}

std::string expiry(const manifests::VerifiedManifest& manifest, std::int64_t now, Colour colour) {
  if (!is_expired(manifest.header(), now)) return {};
  return paint("EXPIRED", "1;33", colour) + " " + ago(now - *manifest.header().expires);
}

std::string expiry(const TreeReport& tree, std::int64_t now, Colour colour) {
  return tree.manifest ? expiry(*tree.manifest, std::max(now, tree.trusted_now), colour) : "";
}

std::string describe(const Finding& finding) {
  std::vector<std::string> parts;
  const Facts expected = finding.expected.unpack();
  const Facts actual = finding.actual.unpack();
  // Numbers tell more than the bare fact that the content differs, so they come first.
  for (const Change change : {Change::type, Change::size, Change::content, Change::target, Change::mode, Change::owner,
                              Change::group, Change::capability, Change::acl, Change::release}) {
    if (finding.changes.has(change)) parts.push_back(describe_change(change, finding.kind, expected, actual));
  }
  if (finding.below > 0) parts.push_back("with " + count(finding.below, "path", "paths") + " below");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string path_below(const std::string& root, std::string_view path) {
  if (path == ".") return root;
  return root + (root.ends_with('/') ? "" : "/") + std::string(path);
}

std::string path_on_host(const TreeReport& tree, std::string_view path) { return path_below(tree.root, path); }

std::string shell_word(std::string_view raw) {
  if (!raw.empty() && std::all_of(raw.begin(), raw.end(), needs_no_quotes)) return std::string(raw);
  if (manifests::is_printable_ascii(raw) && raw.find('\'') == std::string_view::npos) {
    return "'" + std::string(raw) + "'";
  }
  std::string word = "$'";
  for (const char c : raw) {
    if (c == '\'' || c == '\\') {
      word += '\\';
      word += c;
    } else if (c >= 0x20 && c <= 0x7e) {
      word += c;
    } else {
      word += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return word + "'";
}

}  // namespace driftd::daemon
