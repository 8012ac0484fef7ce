#include "manifests/mtree_lines.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <span>

#include "manifests/base64.hpp"
#include "manifests/escape.hpp"
#include "manifests/octal.hpp"
#include "manifests/utc_time.hpp"

namespace driftd::manifests {
namespace {

Error malformed(std::string_view what, std::string_view token) {
  return {ErrorCode::format, std::string(what) + " '" + escape(token.substr(0, 80)) + "'"};
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Parses into `target`, or says which keyword is malformed.
template <class Optional, class Parsed>
Result<void> take(Optional& target, Parsed parsed, std::string_view token) {
  if (!parsed) return malformed("malformed value in", token);
  target = std::move(*parsed);
  return {};
}

std::optional<std::string> parse_capability(std::string_view text) {
  const std::size_t size = text.size() * 3 / 4;
  if (size == 0 || size > kMaxCapability) return std::nullopt;
  std::array<unsigned char, kMaxCapability> raw{};
  if (!parse_base64(text, std::span(raw).first(size), Base64::url_without_padding)) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(raw.data()), size);
}

std::optional<std::string> parse_account(std::string_view text) {
  if (!is_account_name(text)) return std::nullopt;
  return std::string(text);
}

std::optional<std::string> parse_link(std::string_view text) {
  std::string raw;
  if (!unescape_octal(text, raw) || raw.empty() || raw.find('\0') != std::string::npos) return std::nullopt;
  return raw;
}

std::string_view type_name(EntryType type) {
  switch (type) {
    case EntryType::file: return "file";
    case EntryType::directory: return "dir";
    case EntryType::symlink: return "link";
  }
  return {};
}

Result<void> parse_tag(std::string_view tag, Entry& entry) {
  if (tag == "exec") {
    entry.executable = true;
    return {};
  }
  if (tag == "anyexec") {
    entry.any_exec = true;
    return {};
  }
  if (tag.starts_with("blake3:")) return take(entry.blake3, parse_hex(tag.substr(7)), tag);
  if (tag.starts_with("cap:")) return take(entry.attributes.capability, parse_capability(tag.substr(4)), tag);
  if (tag.starts_with("acl:")) return take(entry.attributes.acl, parse_hex(tag.substr(4)), tag);
  return malformed("unknown tag", tag);
}

Result<void> parse_tags(std::string_view tags, Entry& entry) {
  for (;;) {
    const std::size_t comma = tags.find(',');
    if (auto tag = parse_tag(tags.substr(0, comma), entry); !tag) return tag;
    if (comma == std::string_view::npos) return {};
    tags.remove_prefix(comma + 1);
  }
}

Result<void> parse_keyword(std::string_view token, Entry& entry) {
  const std::size_t equals = token.find('=');
  const std::string_view key = token.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view() : token.substr(equals + 1);
  Attributes& attributes = entry.attributes;
  if (token == "optional") {
    entry.optional = true;
    return {};
  }
  if (token == "ignore") {
    entry.ignore = true;
    return {};
  }
  if (key == "type") {
    for (const EntryType type : {EntryType::file, EntryType::directory, EntryType::symlink}) {
      if (value == type_name(type)) return entry.type = type, Result<void>{};
    }
    return malformed("only files, directories and links may be listed:", token);
  }
  if (key == "uname") return take(attributes.uname, parse_account(value), token);
  if (key == "uid") return take(attributes.uid, parse_number<std::uint32_t>(value), token);
  if (key == "gname") return take(attributes.gname, parse_account(value), token);
  if (key == "gid") return take(attributes.gid, parse_number<std::uint32_t>(value), token);
  if (key == "mode") return take(attributes.mode, parse_number<std::uint32_t>(value, 8), token);
  if (key == "size") return take(entry.size, parse_number<std::uint64_t>(value), token);
  if (key == "link") return take(attributes.link, parse_link(value), token);
  if (key == "sha256") return take(entry.sha256, parse_hex(value), token);
  if (key == "tags") return parse_tags(value, entry);
  return malformed("unknown keyword", token);
}

void append_tags(std::string& out, const Entry& entry) {
  char before = '=';
  const auto start_tag = [&](std::string_view tag) {
    if (before == '=') out += " tags";
    out += before;
    out += tag;
    before = ',';
  };
  if (entry.blake3) {
    start_tag("blake3:");
    append_hex(out, *entry.blake3);
  }
  if (entry.executable) start_tag("exec");
  if (entry.any_exec) start_tag("anyexec");
  if (entry.attributes.capability) {
    start_tag("cap:");
    const std::string& raw = *entry.attributes.capability;
    out += to_base64({reinterpret_cast<const unsigned char*>(raw.data()), raw.size()}, Base64::url_without_padding);
  }
  if (entry.attributes.acl) {
    start_tag("acl:");
    append_hex(out, *entry.attributes.acl);
  }
}

void append_mode(std::string& out, std::uint32_t mode) {
  char text[24];  // 18 for any 32 bits: a mode from outside is written before it is judged
  const int length = std::snprintf(text, sizeof text, " mode=0%03o", mode);
  out.append(text, static_cast<std::size_t>(length));
}

template <class Number>
void append_number(std::string& out, std::string_view before, Number value) {
  out += before;
  char text[24];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  out.append(text, end);
}

}  // namespace

void append_entry_line(std::string& out, std::string_view path, const Entry& entry) {
  const Attributes& attributes = entry.attributes;
  if (path != ".") {
    out += "./";
    append_octal(out, path);
  } else {
    out += '.';
  }
  out += " type=";
  out += type_name(entry.type);
  if (attributes.uname) out.append(" uname=").append(*attributes.uname);
  if (attributes.uid) append_number(out, " uid=", *attributes.uid);
  if (attributes.gname) out.append(" gname=").append(*attributes.gname);
  if (attributes.gid) append_number(out, " gid=", *attributes.gid);
  if (attributes.mode) append_mode(out, *attributes.mode);
  if (entry.size) append_number(out, " size=", *entry.size);
  if (attributes.link) {
    out += " link=";
    append_octal(out, *attributes.link);
  }
  if (entry.sha256) {
    out += " sha256=";
    append_hex(out, *entry.sha256);
  }
  append_tags(out, entry);
  if (entry.optional) out += " optional";
  if (entry.ignore) out += " ignore";
  out += '\n';
}

Result<void> parse_entry_line(std::string_view line, std::string& path, Entry& entry) {
  entry = Entry{};
  path.clear();
  const std::size_t space = line.find(' ');
  const std::string_view written = line.substr(0, space);
  if (written == ".") {
    path = written;
  } else if (!written.starts_with("./") || !unescape_octal(written.substr(2), path) || path == ".") {
    return malformed("malformed path", written);  // `./.` must not pass for the root
  }
  if (space == std::string_view::npos) return malformed("no type after", written);
  for (std::string_view rest = line.substr(space + 1);;) {
    const std::size_t end = rest.find(' ');
    if (auto taken = parse_keyword(rest.substr(0, end), entry); !taken) return taken;
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
}

std::string mutable_lines(const Header& header) {
  std::string out;
  for (const Glob& glob : header.mutable_globs) out.append("#mutable: ").append(glob.text()).append(1, '\n');
  return out;
}

std::string header_lines(const Header& header, std::uint64_t entries, const Digest& content) {
  std::string out = "#mtree v2.0\n#driftd 1\n";
  const auto line = [&](std::string_view key, std::string_view value) {
    out.append(1, '#').append(key).append(": ").append(value).append(1, '\n');
  };
  line("name", header.name);
  line("release", header.release);
  line("sequence", std::to_string(header.sequence));
  line("created", format_utc(header.created));
  if (header.expires) line("expires", format_utc(*header.expires));
  if (!header.source.empty()) line("source", header.source);
  if (!header.artifact.empty()) line("artifact", header.artifact);
  if (!header.pipeline.empty()) line("pipeline", header.pipeline);
  for (const auto& value : header.overrides) line("override", value);
  for (const auto& [key, value] : header.labels) line("label", key + "=" + value);
  out += mutable_lines(header);
  line("entries", std::to_string(entries));
  line("content", "blake3:" + to_hex(content));
  return out;
}

Result<void> parse_header_line(std::string_view line, HeaderLines& lines) {
  Header& header = lines.header;
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos || !line.starts_with('#')) return malformed("malformed header", line);
  const std::string_view key = line.substr(1, colon - 1);
  const std::string_view value = line.substr(colon + 2);
  if (value.empty() || !is_printable_ascii(value)) return malformed("values are printable ASCII, unlike", line);

  if (key == "name") {
    if (!is_product_name(value)) return malformed("a name is 1 to 64 of A-Za-z0-9._-, unlike", value);
    header.name = value;
  } else if (key == "release") {
    header.release = value;
  } else if (key == "sequence") {
    return take(header.sequence, parse_number<std::uint64_t>(value), line);
  } else if (key == "created") {
    return take(header.created, parse_utc(value), line);
  } else if (key == "expires") {
    return take(header.expires, parse_utc(value), line);
  } else if (key == "source") {
    header.source = value;
  } else if (key == "artifact") {
    header.artifact = value;
  } else if (key == "pipeline") {
    header.pipeline = value;
  } else if (key == "override") {
    header.overrides.emplace_back(value);
  } else if (key == "label") {
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos || equals == 0) return malformed("a label is KEY=VALUE, unlike", value);
    header.labels.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  } else if (key == "mutable") {
    if (header.mutable_globs.size() == kMaxGlobs) return Error{ErrorCode::format, "more than 1000 mutable rules"};
    auto glob = Glob::parse(value);
    if (!glob) return glob.error();
    header.mutable_globs.push_back(std::move(*glob));
  } else if (key == "entries") {
    return take(lines.entries, parse_number<std::uint64_t>(value), line);
  } else if (key == "content") {
    if (!value.starts_with("blake3:")) return malformed("the content id is blake3:HEX, unlike", value);
    return take(lines.content, parse_hex(value.substr(7)), line);
  } else {
    return malformed("unknown header", key);
  }
  return {};
}

}  // namespace driftd::manifests
