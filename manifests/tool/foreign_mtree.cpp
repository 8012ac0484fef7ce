#include "manifests/tool/foreign_mtree.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/tool/mtree_keywords.hpp"
#include "manifests/tool/text_lines.hpp"
#include "manifests/tool/vis.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::string_view kBlank = " \t";

Error refuse(std::string_view word, std::string_view why) {
  return {ErrorCode::format, "'" + escape(word.substr(0, 80)) + "': " + std::string(why)};
}

/// The path's raw bytes. Components are decoded one by one, so that an escaped slash cannot pass for a separator.
Result<std::string> decode_path(std::string_view written) {
  // NetBSD's mtree takes what follows for a comment, libarchive for a part of the name.
  if (find_unescaped(written, '#') != std::string_view::npos) {
    return refuse(written, "a '#' within a name must be written as \\043");
  }
  std::string path;
  for (std::string_view rest = written;;) {
    const std::size_t slash = find_unescaped(rest, '/');
    const std::string_view component = rest.substr(0, slash);
    const auto raw = decode_vis(component);
    if (!raw) return refuse(written, "a backslash starts no known escape");
    if (raw->find('/') != std::string::npos) return refuse(written, "an escaped slash can be part of no name");
    path += *raw;
    if (slash == std::string_view::npos) return path;
    path += '/';
    rest.remove_prefix(slash + 1);
  }
}

class Reader {
 public:
  explicit Reader(const ImportRules& rules) : rules_(rules) {}

  /// `line` is a whole logical line.
  Result<void> take(std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    if (line.empty() || line.starts_with('#')) return {};
    const std::string_view word = line.substr(0, line.find_first_of(kBlank));
    const std::string_view words = line.substr(word.size());
    if (word == "/set") return set(words);
    if (word == "/unset") return unset(words);
    if (word.starts_with('/')) return refuse(word, "neither /set nor /unset; paths are relative to the root");
    if (word == "..") return leave();
    return entry(word, words);
  }

  Result<Imported> finish() && {
    if (!any_) return Error{ErrorCode::format, "lists nothing"};
    if (!left_out_.empty()) {
      std::string note = "keywords that were not taken over:";
      for (const std::string& keyword : left_out_) note += " " + escape(keyword);
      imported_.notes.push_back(std::move(note));
    }
    return std::move(imported_);
  }

 private:
  Result<void> set(std::string_view words) {
    Keywords named;
    if (auto taken = put_keywords(words, named); !taken) return taken;
    for (const auto& [keyword, value] : named) defaults_.insert_or_assign(keyword, value);
    return {};
  }

  Result<void> unset(std::string_view words) {
    Keywords named;
    if (auto taken = put_keywords(words, named); !taken) return taken;
    if (named.contains("all")) defaults_.clear();
    for (const auto& [keyword, value] : named) defaults_.erase(keyword);
    return {};
  }

  Result<void> leave() {
    if (!directory_) return refuse("..", "goes above the root");
    if (directory_->empty()) {
      directory_.reset();  // FreeBSD's lists close the root as well
      return {};
    }
    const std::size_t slash = directory_->rfind('/');
    directory_->resize(slash == std::string::npos ? 0 : slash);
    return {};
  }

  Result<void> entry(std::string_view word, std::string_view words) {
    auto path = decode_path(word);
    if (!path) return path.error();
    const bool is_full = find_unescaped(word, '/') != std::string_view::npos;
    const bool is_root = word == ".";
    if (!is_full && !is_root) {
      if (!directory_) return refuse(word, "stands after the '..' that closes the root");
      if (!is_component(*path)) return refuse(word, "not a name");
      if (!directory_->empty()) path->insert(0, *directory_ + "/");
    }
    Keywords keywords;
    if (auto taken = put_keywords(words, keywords); !taken) return taken;
    keywords.insert(defaults_.begin(), defaults_.end());
    auto entry = entry_of(keywords, rules_, left_out_);
    if (!entry) return Error{ErrorCode::format, "'" + escape(path->substr(0, 80)) + "': " + entry.error().message};
    if (is_root) {
      directory_.emplace();
    } else if (!is_full && entry->type == EntryType::directory) {
      directory_ = *path;
    }
    any_ = true;
    return imported_.tree.add(*path, std::move(*entry));
  }

  const ImportRules& rules_;
  Keywords defaults_;
  /// Where relative names lie; empty for the root, nothing once it is closed.
  std::optional<std::string> directory_ = std::string();
  std::set<std::string> left_out_;
  Imported imported_;
  bool any_ = false;
};

}  // namespace

Result<Imported> parse_foreign_mtree(std::string_view text, const ImportRules& rules) {
  Reader reader(rules);
  TextLines lines(text);
  std::string logical;
  while (const auto line = lines.next()) {
    if (line->find('\0') != std::string_view::npos) return lines.error("holds NUL");
    if (lines.number() == 2 && *line == "#driftd 1") {
      return Error{ErrorCode::format, "is a driftd manifest already (driftd-manifest relabel gives it a new identity)"};
    }
    const std::size_t text_at = line->find_first_not_of(kBlank);
    const bool is_comment = logical.empty() && text_at != std::string_view::npos && (*line)[text_at] == '#';
    if (!is_comment && ends_with_bare_backslash(*line)) {
      logical.append(line->substr(0, line->size() - 1)).append(1, ' ');
      continue;
    }
    logical += *line;
    if (auto taken = reader.take(logical); !taken) return lines.error(taken.error());
    logical.clear();
  }
  if (!logical.empty()) return lines.error("ends in the middle of an entry, with a backslash");
  return std::move(reader).finish();
}

}  // namespace driftd::manifests::tool
