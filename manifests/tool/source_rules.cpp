#include "manifests/tool/source_rules.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "manifests/escape.hpp"
#include "manifests/manifest.hpp"

namespace driftd::manifests::tool {
namespace {

using scanner::FileType;

/// `path` without its first `count` components; nothing where it has no more than that.
std::optional<std::string_view> strip(std::string_view path, std::size_t count) {
  if (count == 0) return path;
  if (path == ".") return std::nullopt;
  for (; count > 0; --count) {
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  return path;
}

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

bool parse_account(std::string_view text, std::optional<std::string>& name, std::optional<std::uint32_t>& number) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) {
    number = value;
    return true;
  }
  name = text;
  return is_account_name(text);
}

void take_owner(const SourceRules& rules, const SourceItem& item, Attributes& attributes) {
  if (rules.owner.from == OwnerRule::From::given) attributes = rules.owner.given;
  if (rules.owner.from != OwnerRule::From::source) return;
  attributes.uname = item.uname;
  if (!item.uname) attributes.uid = item.seen.uid;
  attributes.gname = item.gname;
  if (!item.gname) attributes.gid = item.seen.gid;
}

}  // namespace

Result<OwnerRule> parse_owner(const std::string& text) {
  OwnerRule rule;
  if (text == "none") return rule;
  rule.from = text == "source" ? OwnerRule::From::source : OwnerRule::From::given;
  if (rule.from == OwnerRule::From::source) return rule;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || !parse_account(text.substr(0, colon), rule.given.uname, rule.given.uid) ||
      !parse_account(text.substr(colon + 1), rule.given.gname, rule.given.gid)) {
    return Error{ErrorCode::usage, "--owner '" + escape(text) + "': must be USER:GROUP, 'source' or 'none'"};
  }
  return rule;
}

Place place(const SourceRules& rules, std::string_view source_path) {
  const auto stripped = strip(source_path, rules.strip_components);
  if (!stripped) return {Place::Where::stripped, {}};
  if (rules.subdir.empty()) return {Place::Where::inside, std::string(*stripped)};
  if (*stripped == rules.subdir) return {Place::Where::inside, "."};
  if (is_below(*stripped, rules.subdir)) {
    return {Place::Where::inside, std::string(stripped->substr(rules.subdir.size() + 1))};
  }
  const bool leads_there = *stripped == "." || is_below(rules.subdir, *stripped);
  return {leads_there ? Place::Where::above : Place::Where::outside, {}};
}

Interest interest_in(const SourceRules& rules, std::string_view source_path) {
  const Place placed = place(rules, source_path);
  if (placed.where == Place::Where::outside) return Interest::none;
  if (placed.where != Place::Where::inside) return Interest::below;
  switch (mutability(rules, placed.path)) {
    case Mutability::below: return Interest::none;
    case Mutability::directory:
    case Mutability::covered: return Interest::attributes;
    case Mutability::no: break;
  }
  const auto& generated = rules.generated_paths;
  const bool is_generated = std::find(generated.begin(), generated.end(), placed.path) != generated.end();
  return is_generated ? Interest::attributes : Interest::content;
}

Mutability mutability(const SourceRules& rules, std::string_view path) {
  if (path == ".") return Mutability::no;
  Mutability answer = Mutability::no;
  for (const Glob& glob : rules.mutable_globs) {
    if (!glob.matches(path)) continue;
    const auto directory = glob.literal_directory();
    if (directory && is_below(path, *directory)) return Mutability::below;
    answer = std::max(answer, directory ? Mutability::directory : Mutability::covered);
  }
  return answer;
}

Result<Entry> make_entry(const SourceRules& rules, const std::string& path, const SourceItem& item) {
  const scanner::Observed& seen = item.seen;
  Entry entry;
  switch (seen.type) {
    case FileType::file: entry.type = EntryType::file; break;
    case FileType::directory: entry.type = EntryType::directory; break;
    case FileType::symlink: entry.type = EntryType::symlink; break;
    default:
      return Error{ErrorCode::format, escape(path) + ": a " + std::string(to_string(seen.type)) +
                                          " cannot be part of a release; leave it out or cover it with --mutable"};
  }
  take_owner(rules, item, entry.attributes);
  if (seen.type == FileType::symlink) {
    entry.attributes.link = seen.target;
    return entry;
  }
  if (rules.mode == ModePolicy::exact) {
    entry.attributes.mode = seen.mode;
    entry.attributes.acl = seen.acl;
  }
  if (seen.type == FileType::directory) return entry;
  entry.size = seen.size;
  entry.blake3 = seen.blake3;
  entry.sha256 = seen.sha256;
  entry.attributes.capability = seen.capability;
  entry.executable = rules.mode == ModePolicy::exec && (seen.mode & S_IXUSR) != 0;
  entry.any_exec = rules.mode == ModePolicy::none;
  if (rules.mode != ModePolicy::exact && (seen.mode & (S_ISUID | S_ISGID)) != 0) {
    return Error{ErrorCode::format, escape(path) +
                                        ": is setuid or setgid, which a host accepts only where the mode is "
                                        "recorded; use --mode exact"};
  }
  return entry;
}

Entry unseen_entry(const SourceRules& rules, EntryType type) {
  Entry entry;
  entry.type = type;
  if (rules.owner.from == OwnerRule::From::given) entry.attributes = rules.owner.given;
  return entry;
}

}  // namespace driftd::manifests::tool
