#include "manifests/canonical_line.hpp"

#include <charconv>

#include "manifests/manifest.hpp"
#include "manifests/octal.hpp"

namespace driftd::manifests {
namespace {

/// Each take_...() removes what it names from the front, or is false and the line with it: no form has two readings,
/// so nothing is ever tried again.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : rest_(line) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }

  bool take_octal(std::string& buffer, std::string_view& raw) { return take_canonical_octal(rest_, buffer, raw); }

  template <class Number>
  bool take_number(std::optional<Number>& out) {
    Number value{};
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    const auto digits = static_cast<std::size_t>(end - rest_.data());
    if (error != std::errc() || (digits > 1 && rest_.front() == '0')) return false;
    rest_.remove_prefix(digits);
    out = value;
    return true;
  }

  /// `0` and three octal digits, or four of which the first is none.
  bool take_mode(std::optional<std::uint32_t>& out) {
    const std::string_view token = token_here();
    if (token.size() < 4 || token.size() > 5 || token[0] != '0' || (token.size() == 5 && token[1] == '0')) return false;
    std::uint32_t mode = 0;
    for (const char digit : token) {
      if (digit < '0' || digit > '7') return false;
      mode = mode * 8 + static_cast<std::uint32_t>(digit - '0');
    }
    rest_.remove_prefix(token.size());
    out = mode;
    return true;
  }

  bool take_account(std::optional<std::string>& out) {
    const std::string_view token = token_here();
    if (!is_account_name(token)) return false;
    rest_.remove_prefix(token.size());
    out = token;
    return true;
  }

  bool take_digest(std::optional<Digest>& out) {
    out = parse_hex(rest_.substr(0, 2 * Digest::kSize));
    if (!out) return false;
    rest_.remove_prefix(2 * Digest::kSize);
    return true;
  }

 private:
  [[nodiscard]] std::string_view token_here() const { return rest_.substr(0, rest_.find(' ')); }

  std::string_view rest_;
};

bool take_path(Cursor& cursor, EntryLine& out) {
  if (!cursor.take(".")) return false;
  if (!cursor.take("/")) {
    out.path = ".";
    return true;
  }
  out.unescaped.clear();
  return cursor.take_octal(out.unescaped, out.path) && out.path != ".";  // `./.` must not pass for the root
}

bool take_type(Cursor& cursor, Entry& entry) {
  if (cursor.take(" type=file")) {
    entry.type = EntryType::file;
  } else if (cursor.take(" type=dir")) {
    entry.type = EntryType::directory;
  } else if (cursor.take(" type=link")) {
    entry.type = EntryType::symlink;
  } else {
    return false;
  }
  return true;
}

bool take_link(Cursor& cursor, Attributes& attributes) {
  std::string buffer;
  std::string_view target;
  if (!cursor.take_octal(buffer, target) || target.empty() || target.find('\0') != std::string_view::npos) return false;
  attributes.link = target;
  return true;
}

bool take_tags(Cursor& cursor, Entry& entry) {
  const bool has_blake3 = cursor.take("blake3:");
  if (has_blake3 && !cursor.take_digest(entry.blake3)) return false;
  entry.executable = cursor.take(has_blake3 ? ",exec" : "exec");
  entry.any_exec = !entry.executable && cursor.take(has_blake3 ? ",anyexec" : "anyexec");
  return has_blake3 || entry.executable || entry.any_exec;
}

}  // namespace

bool read_canonical_line(std::string_view line, EntryLine& out) {
  out.entry = Entry{};
  Entry& entry = out.entry;
  Attributes& attributes = entry.attributes;
  Cursor cursor(line);
  // In the order of append_entry_line(), which is the only one that there is.
  if (!take_path(cursor, out) || !take_type(cursor, entry)) return false;
  if (cursor.take(" uname=") && !cursor.take_account(attributes.uname)) return false;
  if (cursor.take(" uid=") && !cursor.take_number(attributes.uid)) return false;
  if (cursor.take(" gname=") && !cursor.take_account(attributes.gname)) return false;
  if (cursor.take(" gid=") && !cursor.take_number(attributes.gid)) return false;
  if (cursor.take(" mode=") && !cursor.take_mode(attributes.mode)) return false;
  if (cursor.take(" size=") && !cursor.take_number(entry.size)) return false;
  if (cursor.take(" link=") && !take_link(cursor, attributes)) return false;
  if (cursor.take(" sha256=") && !cursor.take_digest(entry.sha256)) return false;
  if (cursor.take(" tags=") && !take_tags(cursor, entry)) return false;
  entry.optional = cursor.take(" optional");
  entry.ignore = cursor.take(" ignore");
  return cursor.at_end();
}

}  // namespace driftd::manifests
