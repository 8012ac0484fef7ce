#include "manifests/tool/release_tree.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests::tool {
namespace {

using scanner::FileType;

Error contradiction(std::string_view option, const std::string& path, const std::string& why) {
  return {ErrorCode::usage, std::string(option) + " '" + escape(path) + "': " + why};
}

}  // namespace

void CountedPaths::add(const std::string& path) {
  constexpr std::size_t kNamed = 3;
  ++count;
  first.insert(std::lower_bound(first.begin(), first.end(), path, CanonicalOrder()), path);
  if (first.size() > kNamed) first.pop_back();
}

bool CanonicalOrder::operator()(std::string_view a, std::string_view b) const {
  if (a == "." || b == ".") return a == "." && b != ".";
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at == a.end() || other == b.end()) return a.size() < b.size();
  // A slash sorts below every byte that a name can hold.
  if (*at == '/' || *other == '/') return *at == '/';
  return static_cast<unsigned char>(*at) < static_cast<unsigned char>(*other);
}

Result<void> ReleaseTree::add(const SourceItem& item) {
  const Place placed = place(rules_, item.path);
  any_item_ = true;
  if (placed.where == Place::Where::outside) return {};
  if (placed.where != Place::Where::inside) {
    if (item.seen.type == FileType::directory) return {};
    if (placed.where == Place::Where::stripped) return ++notes_.stripped, Result<void>{};
    return Error{ErrorCode::format, escape(item.path) + ": no directory, so --subdir leads nowhere"};
  }
  any_inside_ = true;
  const std::string& path = placed.path;
  if (path == "." && item.seen.type != FileType::directory) {
    return Error{ErrorCode::format, escape(item.path) + ": no directory, so it cannot be the release's root"};
  }
  const Mutability free = mutability(rules_, path);
  const bool ignored = free == Mutability::directory && item.seen.type == FileType::directory;
  if (free != Mutability::no && !ignored) {
    if (free == Mutability::directory) {
      return Error{ErrorCode::format, escape(path) + ": no directory in the source, but --mutable '" + escape(path) +
                                          "/**' takes it for one; use --mutable or --link with the path itself"};
    }
    ++notes_.left_to_mutable;
    imply_directory_of(path);
    return {};
  }
  auto entry = make_entry(rules_, path, item);
  if (!entry) return entry.error();
  entry->ignore = ignored;
  entry->optional = ignored;  // a mutable path may vanish as well
  const bool is_link = item.seen.type == FileType::symlink;
  const bool is_open = (item.seen.mode & (S_IWOTH | S_ISGID)) != 0 || item.seen.acl.has_value();
  if (!entry->attributes.mode && !is_link && is_open) notes_.too_open.add(path);
  const auto [at, fresh] = entries_.try_emplace(path);
  if (!fresh && (at->second.type != EntryType::directory || entry->type != EntryType::directory)) {
    return Error{ErrorCode::format, escape(item.path) + ": another path of the source becomes '" + escape(path) +
                                        "' too; which one a deploy leaves there is anybody's guess"};
  }
  at->second = std::move(*entry);
  return {};
}

Result<ReleaseEntries> ReleaseTree::finish() && {
  if (!rules_.subdir.empty() && !any_inside_) {
    return contradiction("--subdir", rules_.subdir, "the source has no such directory");
  }
  if (any_item_ && !any_inside_) {
    return contradiction("--strip-components", std::to_string(rules_.strip_components),
                         "nothing of the source is left");
  }
  entries_.try_emplace(".", unseen_entry(rules_, EntryType::directory));
  if (auto done = add_implied_directories(); !done) return done.error();
  if (auto done = add_links(); !done) return done.error();
  if (auto done = add_generated(); !done) return done.error();
  // All that must be there has its directories before anything that may be absent brings optional ones.
  if (auto done = add_all_parents(); !done) return done.error();
  if (auto done = add_mutable_directories(); !done) return done.error();
  if (auto done = add_optional(); !done) return done.error();
  return std::move(entries_);
}

/// An archive may leave directories out, which are there nevertheless once it is unpacked. What is listed brings its
/// own.
void ReleaseTree::imply_directory_of(const std::string& path) {
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos; slash = path.rfind('/', slash - 1)) {
    const std::string above = path.substr(0, slash);
    const Mutability free = mutability(rules_, above);
    if (free == Mutability::below || free == Mutability::covered) continue;
    implied_.insert(above);
    return;
  }
}

Result<void> ReleaseTree::add_implied_directories() {
  for (const std::string& path : implied_) {
    Entry entry = unseen_entry(rules_, EntryType::directory);
    entry.ignore = mutability(rules_, path) == Mutability::directory;
    entry.optional = entry.ignore;
    const auto [at, fresh] = entries_.try_emplace(path, std::move(entry));
    if (!fresh && at->second.type != EntryType::directory) {
      return Error{ErrorCode::format, escape(path) + ": a directory and something else in the source"};
    }
  }
  return {};
}

/// Refused where a mutable rule leaves open what `option` says of the path.
Result<void> ReleaseTree::require_unruled(std::string_view option, const std::string& path) const {
  if (!RelPath::parse(path)) return contradiction(option, path, "not a path below the release's root");
  if (mutability(rules_, path) == Mutability::no) return {};
  return contradiction(option, path, "a --mutable rule leaves this path unchecked; drop one of the two");
}

Result<void> ReleaseTree::add_links() {
  for (const DeployLink& link : rules_.links) {
    if (auto free = require_unruled("--link", link.path); !free) return free;
    Entry entry = unseen_entry(rules_, EntryType::symlink);
    entry.attributes.link = link.target;
    if (!entries_.try_emplace(link.path, std::move(entry)).second) {
      return contradiction("--link", link.path, "something stands there already");
    }
  }
  return {};
}

Result<void> ReleaseTree::add_generated() {
  for (const std::string& path : rules_.generated_paths) {
    if (auto free = require_unruled("--generated", path); !free) return free;
    // The deploy overwrites what the source has there; nothing of that is known but that it is a file.
    Entry entry = unseen_entry(rules_, EntryType::file);
    entry.any_exec = true;
    const auto [at, fresh] = entries_.try_emplace(path);
    if (!fresh && at->second.type != EntryType::file) {
      return contradiction("--generated", path, "the source has something there that is no file");
    }
    at->second = std::move(entry);
  }
  return {};
}

Result<void> ReleaseTree::add_mutable_directories() {
  for (const Glob& glob : rules_.mutable_globs) {
    const auto directory = glob.literal_directory();
    if (!directory || mutability(rules_, *directory) == Mutability::below || entries_.contains(*directory)) continue;
    Entry entry = unseen_entry(rules_, EntryType::directory);
    entry.ignore = true;
    entry.optional = true;
    entries_.emplace(*directory, std::move(entry));
    if (auto done = add_parents(*directory, Parents::optional); !done) return done;
  }
  return {};
}

Result<void> ReleaseTree::add_optional() {
  for (const std::string& path : rules_.optional_paths) {
    if (auto free = require_unruled("--optional", path); !free) return free;
    auto at = entries_.find(path);
    if (at == entries_.end()) {
      Entry entry = unseen_entry(rules_, EntryType::file);
      entry.any_exec = rules_.mode == ModePolicy::none;
      at = entries_.emplace(path, std::move(entry)).first;
      if (auto done = add_parents(path, Parents::optional); !done) return done;
    }
    at->second.optional = true;
  }
  return {};
}

/// Lists the directories above `path` that nobody listed.
Result<void> ReleaseTree::add_parents(const std::string& path, Parents parents) {
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    const std::string above = path.substr(0, slash);
    const auto [at, fresh] = entries_.try_emplace(above);
    if (!fresh && at->second.type != EntryType::directory) {
      return Error{ErrorCode::format, escape(path) + ": lies below '" + escape(above) + "', which is no directory"};
    }
    if (!fresh) return {};
    at->second = unseen_entry(rules_, EntryType::directory);
    at->second.optional = parents == Parents::optional;
  }
  return {};
}

Result<void> ReleaseTree::add_all_parents() {
  std::vector<std::string> orphans;
  for (const auto& [path, entry] : entries_) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) continue;
    const auto parent = entries_.find(path.substr(0, slash));
    if (parent == entries_.end() || parent->second.type != EntryType::directory) orphans.push_back(path);
  }
  for (const std::string& path : orphans) {
    if (auto done = add_parents(path, Parents::required); !done) return done;
  }
  return {};
}

}  // namespace driftd::manifests::tool
