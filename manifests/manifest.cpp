#include "manifests/manifest.hpp"

#include <algorithm>
#include <cassert>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::manifests {
namespace {

Error refuse(std::string_view path, std::string_view why) {
  return {ErrorCode::format, "entry '" + escape(path) + "': " + std::string(why)};
}

/// Null where the attributes fit the type and each other, else what is wrong with them.
const char* contradiction(const Entry& entry) {
  const bool has_digest = entry.blake3 || entry.sha256;
  if (entry.type != EntryType::file && (entry.size || has_digest)) return "only a file has a size or a digest";
  if ((entry.type == EntryType::symlink) != entry.attributes.link.has_value())
    return "a link target and type=link go together";
  if (entry.type == EntryType::symlink && entry.attributes.mode) return "a symlink has no mode";
  if (entry.executable && (entry.type != EntryType::file || entry.attributes.mode)) {
    return "exec is for files without a mode";
  }
  if (entry.any_exec && (entry.type != EntryType::file || entry.attributes.mode || entry.executable)) {
    return "anyexec is for files without a mode and without exec";
  }
  if (entry.type != EntryType::file && entry.attributes.capability) return "only a file has a capability";
  if (entry.type == EntryType::symlink && entry.attributes.acl) return "a symlink has no ACL";
  if (entry.ignore && entry.type != EntryType::directory) return "only a directory can be ignored";
  if (entry.attributes.uname && entry.attributes.uid) return "uname and uid exclude each other";
  if (entry.attributes.gname && entry.attributes.gid) return "gname and gid exclude each other";
  if (entry.attributes.mode.value_or(0) > 07777) return "the mode has bits beyond 07777";
  return nullptr;
}

/// Null where each attribute can be written so that reading gives the same, else what is wrong with one.
const char* unwritable(const Attributes& attributes) {
  if (const auto& link = attributes.link; link && (link->empty() || link->find('\0') != std::string::npos)) {
    return "a link target is at least one byte, and none is NUL";
  }
  if (const auto& capability = attributes.capability;
      capability && (capability->empty() || capability->size() > kMaxCapability)) {
    return "a capability has 1 to 64 bytes";
  }
  if ((attributes.uname && !is_account_name(*attributes.uname)) ||
      (attributes.gname && !is_account_name(*attributes.gname))) {
    return "a user or group name is one or more of A-Za-z0-9._$-";
  }
  return nullptr;
}

/// Empty where the header can be written so that reading gives the same, else what is wrong with it. A line end in a
/// value would start another header.
std::string unwritable(const Header& header) {
  constexpr std::int64_t kLastSecondOf9999 = 253'402'300'799;
  const auto is_time = [](std::int64_t seconds) { return seconds >= 0 && seconds <= kLastSecondOf9999; };
  const auto text = [](std::string_view key, std::string_view value) {
    if (!value.empty() && is_printable_ascii(value)) return std::string();
    return "#" + std::string(key) + " is printable ASCII and not empty, unlike '" + escape(value) + "'";
  };
  if (!is_product_name(header.name)) return "a name is 1 to 64 of A-Za-z0-9._-, unlike '" + escape(header.name) + "'";
  if (auto why = text("release", header.release); !why.empty()) return why;
  if (!is_time(header.created) || !is_time(header.expires.value_or(0))) return "times lie in the years 1970 to 9999";
  for (const auto& [key, value] : {std::pair("source", &header.source), std::pair("artifact", &header.artifact),
                                   std::pair("pipeline", &header.pipeline)}) {
    if (auto why = text(key, *value); !value->empty() && !why.empty()) return why;
  }
  for (const std::string& value : header.overrides) {
    if (auto why = text("override", value); !why.empty()) return why;
  }
  for (const auto& [key, value] : header.labels) {
    if (key.empty() || key.find('=') != std::string::npos) return "a label is KEY=VALUE, unlike '" + escape(key) + "'";
    if (auto why = text("label", key + "=" + value); !why.empty()) return why;
  }
  if (header.mutable_globs.size() > kMaxGlobs) return "more than 1000 mutable rules";
  return {};
}

bool is_letter_or_digit(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_product_name(std::string_view name) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; };
  return !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), allowed);
}

bool is_account_name(std::string_view name) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-' || c == '$'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

const Digest* Manifest::blake3(EntryIndex entry) const { return has(entry, kBlake3) ? &blake3_[entry] : nullptr; }

const Digest* Manifest::sha256(EntryIndex entry) const { return has(entry, kSha256) ? &sha256_[entry] : nullptr; }

std::string_view Manifest::name(EntryIndex entry) const {
  return std::string_view(names_).substr(nodes_[entry].name_offset, nodes_[entry].name_length);
}

std::string Manifest::path(EntryIndex entry) const {
  std::size_t length = 0;
  for (EntryIndex at = entry; at != kRootEntry; at = parent(at)) length += name(at).size() + 1;
  if (length == 0) return {};
  std::string path(length - 1, '/');
  std::size_t end = path.size();
  for (EntryIndex at = entry; at != kRootEntry; at = parent(at)) {
    const std::string_view component = name(at);
    end -= component.size();
    path.replace(end, component.size(), component);
    if (end > 0) --end;
  }
  return path;
}

std::span<const EntryIndex> Manifest::children(EntryIndex directory) const {
  return std::span(children_).subspan(first_child_[directory], first_child_[directory + 1] - first_child_[directory]);
}

std::optional<EntryIndex> Manifest::find_child(EntryIndex directory, std::string_view wanted) const {
  const auto siblings = children(directory);
  const auto at = std::lower_bound(siblings.begin(), siblings.end(), wanted,
                                   [&](EntryIndex child, std::string_view value) { return name(child) < value; });
  if (at == siblings.end() || name(*at) != wanted) return std::nullopt;
  return *at;
}

std::optional<EntryIndex> Manifest::find(std::string_view path) const {
  EntryIndex at = kRootEntry;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const auto child = find_child(at, path.substr(0, slash));
    if (!child) return std::nullopt;
    at = *child;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return at;
}

EntryIndex Manifest::subtree_end(EntryIndex entry) const {
  // The last descendant is reached by always taking the last child.
  EntryIndex last = entry;
  for (auto below = children(last); !below.empty(); below = children(last)) last = below.back();
  return last + 1;
}

const Glob* Manifest::mutable_rule(std::string_view path) const {
  const auto& globs = header_.mutable_globs;
  const auto found = std::find_if(globs.begin(), globs.end(), [&](const Glob& glob) { return glob.matches(path); });
  return found == globs.end() ? nullptr : &*found;
}

Entry Manifest::entry(EntryIndex index) const {
  Entry entry;
  entry.type = type(index);
  entry.executable = executable(index);
  entry.any_exec = any_exec(index);
  entry.optional = optional(index);
  entry.ignore = ignore(index);
  entry.size = size_of(index);
  if (const Digest* digest = blake3(index)) entry.blake3 = *digest;
  if (const Digest* digest = sha256(index)) entry.sha256 = *digest;
  entry.attributes = attributes(index);
  return entry;
}

ManifestBuilder::ManifestBuilder(Header header, KeepDigests keep) : keep_(keep) {
  manifest_.header_ = std::move(header);
  manifest_.attributes_.emplace_back();  // the common case: nothing recorded
}

void ManifestBuilder::reserve(std::size_t entries, std::size_t name_bytes) {
  manifest_.nodes_.reserve(entries);
  manifest_.names_.reserve(name_bytes);
}

Result<void> ManifestBuilder::place(std::string_view path, EntryIndex& parent, std::string_view& name) {
  if (open_.empty()) return refuse(path, "the first entry must be the root, '.'");
  if (path.size() > kMaxPath) return refuse(path.substr(0, 80), "longer than 4096 bytes");
  const std::size_t slash = path.rfind('/');
  const std::string_view directory = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (slash == 0 || !is_component(name)) return refuse(path, "not a path below the root");

  const auto is_open = [&](std::size_t depth) {
    return std::string_view(directory_).substr(0, open_[depth].path_length) == directory;
  };
  std::size_t depth = open_.size() - 1;
  while (depth > 0 && !is_open(depth)) --depth;
  if (!is_open(depth)) return refuse(path, "its directory is missing, ignored, or stands in the wrong order");
  OpenDirectory& holder = open_[depth];
  if (name == holder.last_child) return refuse(path, "stands twice");
  if (name < holder.last_child) return refuse(path, "stands in the wrong order");

  open_.resize(depth + 1);
  directory_.resize(open_.back().path_length);
  open_.back().last_child = name;
  parent = open_.back().entry;
  return {};
}

std::uint32_t ManifestBuilder::intern(const Attributes& attributes) {
  if (attributes == manifest_.attributes_.front()) return 0;
  const auto [at, fresh] = interned_.try_emplace(attributes, static_cast<std::uint32_t>(manifest_.attributes_.size()));
  if (fresh) manifest_.attributes_.push_back(attributes);
  return at->second;
}

Result<void> ManifestBuilder::add(std::string_view path, const Entry& entry) {
  const auto index = manifest_.size();
  if (index >= kMaxEntries) return refuse(path, "more than 10,000,000 entries");
  if (const char* why = contradiction(entry)) return refuse(path, why);
  if (const char* why = unwritable(entry.attributes)) return refuse(path, why);

  EntryIndex parent = kRootEntry;
  std::string_view name;
  if (path == ".") {
    if (index != 0) return refuse(path, "stands twice");
    if (entry.type != EntryType::directory || entry.ignore || entry.optional) {
      return refuse(path, "the root must be a directory that is checked");
    }
  } else if (auto placed = place(path, parent, name); !placed) {
    return placed;
  }
  if (entry.type == EntryType::directory && !entry.ignore) {
    if (index != 0) directory_ = path;
    open_.push_back({index, directory_.size(), {}});
  }

  const Digest* digest_for_host = entry.blake3 ? &*entry.blake3 : nullptr;
  const bool keep_sha256 = entry.sha256 && (keep_ == KeepDigests::all || !digest_for_host);
  unsigned flags = 0;
  if (entry.executable) flags |= Manifest::kExecutable;
  if (entry.any_exec) flags |= Manifest::kAnyExec;
  if (entry.optional) flags |= Manifest::kOptional;
  if (entry.ignore) flags |= Manifest::kIgnore;
  if (entry.size) flags |= Manifest::kSize;
  if (entry.blake3) flags |= Manifest::kBlake3;
  if (keep_sha256) flags |= Manifest::kSha256;
  if (entry.blake3) {
    manifest_.blake3_.reserve(manifest_.nodes_.capacity());
    manifest_.blake3_.resize(index + std::size_t{1});
    manifest_.blake3_[index] = *entry.blake3;
  }
  if (keep_sha256) {
    manifest_.sha256_.reserve(manifest_.nodes_.capacity());
    manifest_.sha256_.resize(index + std::size_t{1});
    manifest_.sha256_[index] = *entry.sha256;
  }
  manifest_.nodes_.push_back({.size = entry.size.value_or(0),
                              .name_offset = static_cast<std::uint32_t>(manifest_.names_.size()),
                              .attributes = intern(entry.attributes),
                              .parent = parent,
                              .name_length = static_cast<std::uint8_t>(name.size()),
                              .type = entry.type,
                              .flags = static_cast<std::uint8_t>(flags)});
  manifest_.names_ += name;
  return {};
}

Result<Manifest> ManifestBuilder::finish() && {
  const EntryIndex count = manifest_.size();
  if (count == 0) return Error{ErrorCode::format, "a manifest without entries"};
  if (auto why = unwritable(manifest_.header_); !why.empty()) return Error{ErrorCode::format, std::move(why)};
  // Grown by doubling where the hint was short. Room for a few more is not worth a copy.
  auto& names = manifest_.names_;
  if (names.capacity() - names.size() > names.size() / 8) names.shrink_to_fit();
  auto& first = manifest_.first_child_;
  first.assign(std::size_t{count} + 1, 0);
  for (EntryIndex entry = 1; entry < count; ++entry) ++first[manifest_.parent(entry) + std::size_t{1}];
  for (std::size_t entry = 0; entry < count; ++entry) first[entry + 1] += first[entry];
  // Entries come in byte order within each directory, so filling in index order sorts each span.
  std::vector<EntryIndex> next(first.begin(), first.end() - 1);
  manifest_.children_.resize(count - std::size_t{1});
  for (EntryIndex entry = 1; entry < count; ++entry) manifest_.children_[next[manifest_.parent(entry)]++] = entry;
  return std::move(manifest_);
}

}  // namespace driftd::manifests
