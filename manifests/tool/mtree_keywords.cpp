#include "manifests/tool/mtree_keywords.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "manifests/escape.hpp"
#include "manifests/manifest.hpp"
#include "manifests/tool/vis.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::string_view kBlank = " \t";

/// Digests that driftd does not compute, or that no longer prove anything.
constexpr std::array<std::string_view, 12> kOtherDigests = {
    "cksum",           "md5",    "md5digest",    "sha1",   "sha1digest",  "rmd160", "rmd160digest",
    "ripemd160digest", "sha384", "sha384digest", "sha512", "sha512digest"};

bool is_keyword(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Error refuse(std::string_view keyword, std::string_view value, std::string_view why) {
  return {ErrorCode::format, std::string(keyword) + "=" + escape(value.substr(0, 80)) + ": " + std::string(why)};
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Digest> parse_any_case_hex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return parse_hex(lower);
}

/// Takes keywords one by one, so that what remains is what a manifest has no place for.
class Taker {
 public:
  Taker(const Keywords& keywords, const ImportRules& rules) : left_(keywords), rules_(rules) {}

  Result<Entry> entry() {
    for (const auto step : {&Taker::type, &Taker::content, &Taker::mode, &Taker::owner, &Taker::flags}) {
      if (auto taken = (this->*step)(); !taken) return taken.error();
    }
    return std::move(entry_);
  }

  [[nodiscard]] const Keywords& left() const { return left_; }

 private:
  std::optional<std::string> take(std::string_view keyword) {
    const auto at = left_.find(keyword);
    if (at == left_.end()) return std::nullopt;
    std::string value = std::move(at->second);
    left_.erase(at);
    return value;
  }

  /// Number or digest of a keyword into `target`.
  template <class Target, class Parse>
  Result<void> take_into(std::optional<Target>& target, std::string_view keyword, Parse parse, const char* why) {
    const auto value = take(keyword);
    if (!value) return {};
    target = parse(*value);
    if (!target) return refuse(keyword, *value, why);
    return {};
  }

  /// Some specifications leave the type out where the rest tells it.
  Result<void> type() {
    const auto type = take("type");
    if (!type && left_.contains("link")) {
      entry_.type = EntryType::symlink;
    } else if (!type && !left_.contains("size") && !left_.contains("sha256") && !left_.contains("sha256digest")) {
      return Error{ErrorCode::format, "no type"};
    } else if (!type || *type == "file") {
      entry_.type = EntryType::file;
    } else if (*type == "dir") {
      entry_.type = EntryType::directory;
    } else if (*type == "link") {
      entry_.type = EntryType::symlink;
    } else {
      return refuse("type", *type, "only files, directories and links can be part of a release");
    }
    const auto link = take("link");
    if (entry_.type != EntryType::symlink) return {};
    if (!link) return Error{ErrorCode::format, "a link without its target (link=)"};
    entry_.attributes.link = decode_vis(*link);
    if (!entry_.attributes.link) return refuse("link", *link, "a backslash starts no known escape");
    return {};
  }

  Result<void> content() {
    std::string other;
    for (const std::string_view keyword : kOtherDigests) {
      if (take(keyword) && other.empty()) other = keyword;
    }
    if (entry_.type != EntryType::file) {
      for (const char* keyword : {"size", "sha256", "sha256digest"}) take(keyword);
      return {};
    }
    const auto decimal = [](std::string_view text) { return parse_number<std::uint64_t>(text, 10); };
    if (auto taken = take_into(entry_.size, "size", decimal, "not a number of bytes"); !taken) return taken;
    for (const char* keyword : {"sha256", "sha256digest"}) {
      const auto before = entry_.sha256;
      if (auto taken = take_into(entry_.sha256, keyword, parse_any_case_hex, "not 64 hexadecimal digits"); !taken) {
        return taken;
      }
      if (before && before != entry_.sha256) return Error{ErrorCode::format, "two different SHA-256 digests"};
    }
    if (!entry_.sha256 && !other.empty()) {
      return Error{ErrorCode::format, "its only digest is " + other + "; make the list with sha256"};
    }
    return {};
  }

  Result<void> mode() {
    std::optional<std::uint32_t> bits;
    const auto octal = [](std::string_view text) { return parse_number<std::uint32_t>(text, 8); };
    if (auto taken = take_into(bits, "mode", octal, "not an octal number"); !taken) return taken;
    if (!bits) entry_.any_exec = entry_.type == EntryType::file;
    if (!bits || entry_.type == EntryType::symlink) return {};
    if (*bits > 07777) return Error{ErrorCode::format, "mode= has bits beyond 07777"};
    if (rules_.mode) {
      entry_.attributes.mode = bits;
    } else if (entry_.type == EntryType::file) {
      if ((*bits & 06000U) != 0) {
        return Error{ErrorCode::format, "is setuid or setgid, which a host accepts only where the mode is recorded"};
      }
      entry_.executable = (*bits & 0100U) != 0;
    }
    return {};
  }

  /// A name says more than a number, which differs from host to host.
  Result<void> owner() {
    Attributes owner;
    const auto number = [](std::string_view text) { return parse_number<std::uint32_t>(text, 10); };
    const auto name = [](std::string_view text) -> std::optional<std::string> {
      auto raw = decode_vis(text);
      if (raw && !is_account_name(*raw)) raw.reset();
      return raw;
    };
    for (auto taken :
         {take_into(owner.uid, "uid", number, "not a number"), take_into(owner.gid, "gid", number, "not a number"),
          take_into(owner.uname, "uname", name, "a name is one or more of A-Za-z0-9._$-"),
          take_into(owner.gname, "gname", name, "a name is one or more of A-Za-z0-9._$-")}) {
      if (!taken) return taken;
    }
    if (!rules_.owner) return {};
    if (owner.uname) owner.uid.reset();
    if (owner.gname) owner.gid.reset();
    entry_.attributes.uname = owner.uname;
    entry_.attributes.uid = owner.uid;
    entry_.attributes.gname = owner.gname;
    entry_.attributes.gid = owner.gid;
    return {};
  }

  Result<void> flags() {
    entry_.optional = take("optional").has_value();
    entry_.ignore = take("ignore").has_value() && entry_.type == EntryType::directory;
    if (!take("nochange")) return {};
    // It must be there, and nothing else of it is checked; but a link without a target cannot be listed.
    if (entry_.type == EntryType::symlink) return Error{ErrorCode::format, "nochange cannot be kept for a link"};
    Entry bare;
    bare.type = entry_.type;
    bare.optional = entry_.optional;
    bare.ignore = entry_.ignore;
    bare.any_exec = entry_.type == EntryType::file;
    entry_ = bare;
    return {};
  }

  Keywords left_;
  const ImportRules& rules_;
  Entry entry_;
};

}  // namespace

Result<void> put_keywords(std::string_view words, Keywords& keywords) {
  for (;;) {
    words.remove_prefix(std::min(words.find_first_not_of(kBlank), words.size()));
    if (words.empty() || words.starts_with('#')) return {};
    const std::string_view word = words.substr(0, words.find_first_of(kBlank));
    words.remove_prefix(word.size());
    const std::size_t equals = word.find('=');
    const std::string_view key = word.substr(0, equals);
    if (!is_keyword(key)) {
      return Error{ErrorCode::format, "'" + escape(word.substr(0, 80)) +
                                          "': no keyword (the path stands first, as mtree -C writes it, not -D)"};
    }
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    if (!keywords.try_emplace(std::string(key), value).second) {
      return Error{ErrorCode::format, "the keyword " + std::string(key) + " stands twice"};
    }
  }
}

Result<Entry> entry_of(const Keywords& keywords, const ImportRules& rules, std::set<std::string>& left_out) {
  Taker taker(keywords, rules);
  auto entry = taker.entry();
  if (!entry) return entry;
  for (const auto& [keyword, value] : taker.left()) left_out.insert(keyword);
  return entry;
}

}  // namespace driftd::manifests::tool
