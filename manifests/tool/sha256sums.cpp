#include "manifests/tool/sha256sums.hpp"

#include <algorithm>
#include <optional>

#include "manifests/escape.hpp"
#include "manifests/tool/text_lines.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kHexDigits = 2 * Digest::kSize;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::optional<Digest> parse_any_case_hex(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return parse_hex(lower);
}

/// The algorithm that prints so many digits; empty for none that is in use.
std::string_view algorithm_of(std::size_t hex_digits) {
  switch (hex_digits) {
    case 32: return "MD5";
    case 40: return "SHA-1";
    case 56: return "SHA-224";
    case 96: return "SHA-384";
    case 128: return "SHA-512";
    default: return {};
  }
}

struct Line {
  std::string_view name;  ///< as written
  std::string_view hex;
};

/// `SHA256 (name) = hex`, or as OpenSSL writes it, without the spaces around. Names may hold anything, so the last
/// parenthesis counts.
std::optional<Line> split_bsd(std::string_view line, std::string& why) {
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  std::string_view algorithm = line.substr(0, open);
  if (algorithm.ends_with(' ')) algorithm.remove_suffix(1);
  std::string_view hex = line.substr(close + 1);
  if (hex.starts_with(' ')) hex.remove_prefix(1);
  if (!hex.starts_with("= ")) return std::nullopt;
  hex.remove_prefix(2);
  if (algorithm != "SHA256" && algorithm != "SHA2-256") {
    why = "a digest by '" + escape(algorithm.substr(0, 20)) + "'; only SHA-256 is taken";
    return std::nullopt;
  }
  return Line{line.substr(open + 1, close - open - 1), hex};
}

/// `hex  name`, `hex *name`, and `hex name` as some BSDs write it.
std::optional<Line> split_coreutils(std::string_view line, std::string& why) {
  const auto digits = static_cast<std::size_t>(std::find_if_not(line.begin(), line.end(), is_hex) - line.begin());
  if (digits == line.size() || line[digits] != ' ') return std::nullopt;
  if (digits != kHexDigits) {
    const auto algorithm = algorithm_of(digits);
    if (!algorithm.empty()) why = "looks like " + std::string(algorithm) + "; only SHA-256 is taken";
    return std::nullopt;
  }
  std::string_view name = line.substr(digits + 1);
  if (name.starts_with(' ') || name.starts_with('*')) name.remove_prefix(1);
  return Line{name, line.substr(0, digits)};
}

std::optional<std::string> unescape(std::string_view name) {
  std::string raw;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (name[at] != '\\') {
      raw += name[at];
      continue;
    }
    if (++at == name.size()) return std::nullopt;
    switch (name[at]) {
      case '\\': raw += '\\'; break;
      case 'n': raw += '\n'; break;
      case 'r': raw += '\r'; break;
      default: return std::nullopt;
    }
  }
  return raw;
}

Result<void> take(std::string_view line, ImportedTree& tree) {
  const bool escaped = line.starts_with('\\');
  if (escaped) line.remove_prefix(1);
  std::string why = "neither 'HEX  NAME' nor 'SHA256 (NAME) = HEX'";
  auto parts = split_coreutils(line, why);
  if (!parts) parts = split_bsd(line, why);
  if (!parts) return Error{ErrorCode::format, why};
  const auto digest = parse_any_case_hex(parts->hex);
  if (!digest) return Error{ErrorCode::format, "a SHA-256 digest is 64 hexadecimal digits"};
  const auto name = escaped ? unescape(parts->name) : std::string(parts->name);
  if (!name) return Error{ErrorCode::format, "an escaped name holds a backslash that starts none of \\\\ \\n \\r"};
  if (*name == "-") return Error{ErrorCode::format, "the digest of a standard input, which has no name"};
  if (*name == "." || *name == "./") return Error{ErrorCode::format, "'.' is no file"};
  Entry entry;
  entry.sha256 = *digest;
  entry.any_exec = true;  // such lists know no modes
  return tree.add(*name, std::move(entry));
}

}  // namespace

std::string sha256sums_line(std::string_view path, const Digest& sha256) {
  std::string name = path == "-" ? "./" : "";  // alone it would mean standard input
  bool escaped = false;
  for (const char c : path) {
    const char* escape = c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : nullptr;
    escaped = escaped || escape != nullptr;
    if (escape != nullptr) {
      name += escape;
    } else {
      name += c;
    }
  }
  return (escaped ? "\\" : "") + to_hex(sha256) + "  " + name + "\n";
}

Result<Imported> parse_sha256sums(std::string_view text) {
  Imported imported;
  std::size_t files = 0;
  TextLines lines(text);
  while (const auto line = lines.next()) {
    if (line->find('\0') != std::string_view::npos) return lines.error("holds NUL; write the list without --zero");
    if (line->find_first_not_of(" \t") == std::string_view::npos || line->starts_with('#')) continue;
    if (auto taken = take(*line, imported.tree); !taken) return lines.error(taken.error());
    ++files;
  }
  if (files == 0) return Error{ErrorCode::format, "lists no file"};
  imported.notes.emplace_back("such a list knows no sizes, modes, links or empty directories");
  return imported;
}

}  // namespace driftd::manifests::tool
