#include "manifests/tool/vis.hpp"

namespace driftd::manifests::tool {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

char control(char c) { return c == '?' ? '\x7f' : static_cast<char>(c & 0x1f); }

/// `\M-x` and `\M^x`: a byte with its high bit set.
std::optional<char> meta(std::string_view& rest) {
  if (rest.size() < 2 || (rest[0] != '-' && rest[0] != '^')) return std::nullopt;
  const char low = rest[0] == '^' ? control(rest[1]) : rest[1];
  rest.remove_prefix(2);
  return static_cast<char>(static_cast<unsigned char>(low) | 0x80U);
}

/// One to three digits, up to \377.
std::optional<char> octal(std::string_view& rest) {
  unsigned value = 0;
  for (int digits = 0; digits < 3 && !rest.empty() && is_octal(rest.front()); ++digits) {
    value = value * 8 + static_cast<unsigned>(rest.front() - '0');
    rest.remove_prefix(1);
  }
  if (value > 0xff) return std::nullopt;
  return static_cast<char>(value);
}

/// `rest` starts behind the backslash, and behind the escape afterwards.
std::optional<char> escaped(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  if (is_octal(rest.front())) return octal(rest);
  const char kind = rest.front();
  rest.remove_prefix(1);
  switch (kind) {
    case 's': return ' ';
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'a': return '\a';
    case 'v': return '\v';
    case 'f': return '\f';
    case 'E': return '\x1b';
    case 'M': return meta(rest);
    case '^': {
      if (rest.empty()) return std::nullopt;
      const char c = control(rest.front());
      rest.remove_prefix(1);
      return c;
    }
    default: break;
  }
  constexpr std::string_view kThemselves = "\\#*?[]\"'$&;=~`|<>(){} ";
  if (kThemselves.find(kind) == std::string_view::npos) return std::nullopt;
  return kind;
}

/// Of the escape or character at the start of `rest`; digits of an octal escape count as characters.
std::size_t unit_length(std::string_view rest) {
  if (rest.starts_with("\\M-") || rest.starts_with("\\M^")) return 4;
  if (rest.starts_with("\\^")) return 3;
  return rest.starts_with('\\') ? 2 : 1;
}

}  // namespace

std::size_t find_unescaped(std::string_view word, char wanted) {
  for (std::size_t at = 0; at < word.size(); at += unit_length(word.substr(at))) {
    if (word[at] == wanted) return at;
  }
  return std::string_view::npos;
}

bool ends_with_bare_backslash(std::string_view line) {
  std::size_t at = 0;
  while (at + 1 < line.size()) at += unit_length(line.substr(at));
  return at + 1 == line.size() && line[at] == '\\';
}

std::optional<std::string> decode_vis(std::string_view word) {
  std::string raw;
  for (;;) {
    const std::size_t backslash = word.find('\\');
    raw += word.substr(0, backslash);
    if (backslash == std::string_view::npos) return raw;
    word.remove_prefix(backslash + 1);
    const auto byte = escaped(word);
    if (!byte) return std::nullopt;
    raw += *byte;
  }
}

}  // namespace driftd::manifests::tool
