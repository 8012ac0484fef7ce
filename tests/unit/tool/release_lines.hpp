#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "manifests/glob.hpp"
#include "manifests/mtree_lines.hpp"
#include "manifests/tool/release_tree.hpp"
#include "tests/unit/support/must.hpp"

/// Items as a source would give them, and entries as a person would read them.
namespace driftd::test {

using manifests::tool::SourceItem;
using manifests::tool::SourceRules;
using scanner::FileType;

inline SourceItem item(std::string path, FileType type, std::uint32_t mode) {
  SourceItem made;
  made.path = std::move(path);
  made.seen.type = type;
  made.seen.mode = mode;
  made.uname = "app";
  made.gname = "www";
  made.seen.uid = 1000;
  made.seen.gid = 33;
  return made;
}

/// Without digests, so that a line stays short.
inline SourceItem file(std::string path, std::uint32_t mode = 0644) {
  SourceItem made = item(std::move(path), FileType::file, mode);
  made.seen.size = 5;
  return made;
}
inline SourceItem dir(std::string path, std::uint32_t mode = 0755) {
  return item(std::move(path), FileType::directory, mode);
}
inline SourceItem link_to(std::string path, std::string target) {
  SourceItem made = item(std::move(path), FileType::symlink, 0777);
  made.seen.target = std::move(target);
  return made;
}

inline std::vector<manifests::Glob> globs(const std::vector<std::string>& texts) {
  std::vector<manifests::Glob> all;
  for (const std::string& text : texts) all.push_back(must(manifests::Glob::parse(text)));
  return all;
}

inline std::string line(std::string_view path, const manifests::Entry& entry) {
  std::string text;
  manifests::append_entry_line(text, path, entry);
  text.pop_back();
  return text;
}

inline std::vector<std::string> lines(const manifests::tool::ReleaseEntries& entries) {
  std::vector<std::string> all;
  for (const auto& [path, entry] : entries) all.push_back(line(path, entry));
  return all;
}

/// What becomes of the items by the rules.
inline manifests::Result<manifests::tool::ReleaseEntries> release(const SourceRules& rules,
                                                                  const std::vector<SourceItem>& items) {
  manifests::tool::ReleaseTree tree(rules);
  for (const SourceItem& one : items) {
    if (auto added = tree.add(one); !added) return added.error();
  }
  return std::move(tree).finish();
}

}  // namespace driftd::test
