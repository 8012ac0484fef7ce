#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "manifests/entry.hpp"
#include "scanner/compare.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/metadata.hpp"

/// An oracle for scans.
namespace driftd::test {

/// What a scan has to say of one path.
struct Expected {
  scanner::DriftKind kind;
  std::uint64_t below;
  friend bool operator==(const Expected&, const Expected&) = default;
};
using Drift = std::map<std::string, Expected>;

inline std::ostream& operator<<(std::ostream& out, const Drift& drift) {
  for (const auto& [path, one] : drift) {
    out << "\n    " << to_string(one.kind) << " " << path << " with " << one.below << " below";
  }
  return out;
}

/// A mutable rule, in the manifest's words and in words that need no pattern matching.
struct MutableRule {
  const char* glob;
  bool (*covers)(const std::vector<std::string>& components);
};

/// The account that names stand for in rules with owners; no number of it is one that Chaos gives to files.
inline constexpr const char* kUserName = "app";
inline constexpr const char* kGroupName = "staff";
inline constexpr std::uint32_t kNamedUser = 4001;
inline constexpr std::uint32_t kNamedGroup = 4002;

/// The rules of one case, in a form that can be applied without the code under test.
struct Rules {
  Entries entries;
  std::map<std::string, std::string> contents;  ///< of files, as they were released
  std::map<std::string, std::string> acls;      ///< raw, of what had one
  std::vector<MutableRule> mutable_rules;
  bool report_additions = true;
  std::optional<std::string> manifest;  ///< exempt, with its signatures
  std::optional<std::string> nested;    ///< root of a nested tree
};

inline std::ostream& operator<<(std::ostream& out, const Rules& rules) {
  for (const auto& [path, entry] : rules.entries) {
    out << "\n    " << to_string(scanner::file_type(entry.type)) << " " << path << (entry.ignore ? " ignored" : "")
        << (entry.optional ? " optional" : "") << (entry.any_exec ? " anyexec" : "")
        << (entry.executable ? " executable" : "") << (entry.size ? " sized" : "") << (entry.blake3 ? " blake3" : "")
        << (entry.sha256 ? " sha256" : "") << (entry.attributes.capability ? " capability" : "")
        << (entry.attributes.acl ? " acl" : "");
    if (entry.attributes.mode) out << " mode " << std::oct << *entry.attributes.mode << std::dec;
    if (entry.attributes.uid) out << " uid " << *entry.attributes.uid;
    if (entry.attributes.uname) out << " uname " << *entry.attributes.uname;
    if (entry.attributes.gid) out << " gid " << *entry.attributes.gid;
    if (entry.attributes.gname) out << " gname " << *entry.attributes.gname;
  }
  out << "\n    mutable:";
  for (const MutableRule& rule : rules.mutable_rules) out << " " << rule.glob;
  return out << ", additions count: " << rules.report_additions << ", manifest at: " << rules.manifest.value_or("-")
             << ", nested tree at: " << rules.nested.value_or("-");
}

/// What a scan must find, written for being obviously right: it looks at one path at a time, by its whole name, follows
/// the manual's sentences, compares bytes rather than digests, and takes any number of passes over the same
/// directories.
class ObviousLook {
 public:
  ObviousLook(const Rules& rules, std::filesystem::path root) : rules_(rules), root_(std::move(root)) {}

  Drift drift() {
    if (forbidden_rights(root_)) found_["."] = {scanner::DriftKind::metadata, 0};
    directory("", false);
    return std::move(found_);
  }

 private:
  using Kind = scanner::DriftKind;
  using Path = std::filesystem::path;
  using Type = std::filesystem::file_type;

  static Type type(const Path& path) { return std::filesystem::symlink_status(path).type(); }
  static bool exists(const Path& path) { return type(path) != Type::not_found; }
  static struct stat status(const Path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw std::runtime_error("cannot stat " + path.string());
    return status;
  }
  static unsigned mode(const Path& path) { return status(path).st_mode & 07777U; }
  static std::optional<std::string> capability(const Path& path) { return raw_attribute(path, "security.capability"); }
  static std::optional<std::string> acl(const Path& path) { return raw_attribute(path, "system.posix_acl_access"); }

  /// What nothing may have that no rule grants it.
  static bool forbidden_rights(const Path& path) {
    return (mode(path) & 06002U) != 0 || capability(path).has_value() || acl(path).has_value();
  }

  static std::uint64_t on_disk_below(const Path& directory) {
    std::uint64_t count = 0;
    for ([[maybe_unused]] const auto& one : std::filesystem::recursive_directory_iterator(directory)) ++count;
    return count;
  }

  [[nodiscard]] std::uint64_t listed_below(const std::string& path) const {
    std::uint64_t count = 0;
    for (const auto& [other, entry] : rules_.entries) count += other.starts_with(path + "/") ? 1U : 0U;
    return count;
  }
  /// Whether nothing is lost that the release wants when all that is listed at `gone` and below it is gone.
  [[nodiscard]] bool may_be_gone(const std::string& gone) const {
    return std::all_of(rules_.entries.begin(), rules_.entries.end(), [&](const auto& listed) {
      return !(listed.first + "/").starts_with(gone + "/") || is_dispensable(listed.first, gone);
    });
  }
  /// What stands at the path is optional, or lies in an optional directory that is gone as well, or is mutable and of
  /// no known content.
  [[nodiscard]] bool is_dispensable(const std::string& path, const std::string& gone) const {
    for (Path above = path; above.native().size() >= gone.size(); above = above.parent_path()) {
      if (rules_.entries.at(above.native()).optional) return true;
    }
    const manifests::Entry& entry = rules_.entries.at(path);
    return is_mutable(path) && !entry.blake3 && !entry.sha256;
  }
  [[nodiscard]] bool is_mutable(const std::string& path) const {
    std::vector<std::string> components;
    for (const Path& component : Path(path)) components.push_back(component.native());
    for (const MutableRule& rule : rules_.mutable_rules) {
      if (rule.covers(components)) return true;
    }
    return false;
  }
  /// A directory on the way to an exempt path.
  [[nodiscard]] bool leads_to_exempt(const std::string& path) const {
    return (rules_.manifest && rules_.manifest->starts_with(path + "/")) ||
           (rules_.nested && rules_.nested->starts_with(path + "/"));
  }
  [[nodiscard]] bool is_own_manifest(const std::string& path) const {
    if (!rules_.manifest || (path != rules_.manifest && path != *rules_.manifest + ".minisig")) return false;
    const Path full = root_ / path;
    if (type(full) == Type::symlink) return true;
    return type(full) == Type::regular && (mode(full) & 06113U) == 0 && !capability(full);
  }

  void directory(const std::string& path, bool free) {
    std::set<std::string> names;
    const std::string prefix = path.empty() ? "" : path + "/";
    for (const auto& one : std::filesystem::directory_iterator(root_ / path)) names.insert(one.path().filename());
    for (const auto& [listed, entry] : rules_.entries) {
      if (listed.starts_with(prefix))
        names.insert(listed.substr(prefix.size(), listed.find('/', prefix.size()) - prefix.size()));
    }
    for (const std::string& name : names) one_path(prefix + name, free);
  }

  void one_path(const std::string& path, bool free) {
    const auto listed = rules_.entries.find(path);
    const bool is_link = std::filesystem::is_symlink(root_ / path) ||
                         (listed != rules_.entries.end() && listed->second.type == manifests::EntryType::symlink);
    if (path == rules_.nested && !is_link) return;
    if (listed == rules_.entries.end()) return unlisted(path, free);
    const manifests::Entry& entry = listed->second;
    const Path full = root_ / path;
    if (!exists(full)) {
      if (!may_be_gone(path)) found_[path] = {Kind::missing, listed_below(path)};
      return;
    }
    const bool is_directory = type(full) == Type::directory;
    if (type(full) != expected_type(entry)) {
      found_[path] = {Kind::type, is_directory ? on_disk_below(full) : listed_below(path)};
      return;
    }
    if (entry.type == manifests::EntryType::symlink &&
        std::filesystem::read_symlink(full).native() != *entry.attributes.link) {
      found_[path] = {Kind::target, 0};
    } else if (entry.type == manifests::EntryType::file && !is_content(path, entry)) {
      found_[path] = {Kind::modified, 0};
    } else if (!is_metadata(path, entry)) {
      found_[path] = {Kind::metadata, 0};
    }
    if (is_directory) directory(path, entry.ignore);
  }

  [[nodiscard]] bool is_content(const std::string& path, const manifests::Entry& entry) const {
    const std::string now = read_whole(root_ / path);
    const std::string& released = rules_.contents.at(path);
    if (entry.size && now.size() != released.size()) return false;
    return (!entry.blake3 && !entry.sha256) || now == released;
  }

  [[nodiscard]] bool is_metadata(const std::string& path, const manifests::Entry& entry) const {
    const Path full = root_ / path;
    const manifests::Attributes& attributes = entry.attributes;
    const struct stat now = status(full);
    if (attributes.uid && now.st_uid != *attributes.uid) return false;
    if (attributes.gid && now.st_gid != *attributes.gid) return false;
    if (attributes.uname && (*attributes.uname != kUserName || now.st_uid != kNamedUser)) return false;
    if (attributes.gname && (*attributes.gname != kGroupName || now.st_gid != kNamedGroup)) return false;
    if (entry.type == manifests::EntryType::symlink) return true;
    if (capability(full) != attributes.capability) return false;
    const auto released_acl = rules_.acls.find(path);
    if (acl(full) != (released_acl == rules_.acls.end() ? std::nullopt : std::optional(released_acl->second)))
      return false;
    if (attributes.mode) return mode(full) == *attributes.mode;
    if ((mode(full) & 06002U) != 0) return false;
    if (entry.type == manifests::EntryType::directory || entry.any_exec) return true;
    return ((mode(full) & 0100U) != 0) == entry.executable;
  }

  void unlisted(const std::string& path, bool free) {
    const Path full = root_ / path;
    const bool is_directory = type(full) == Type::directory;
    if (is_own_manifest(path)) return;
    if (is_directory && leads_to_exempt(path)) return directory(path, free);
    if (free || is_mutable(path)) {
      if (is_directory) return directory(path, free);
      const bool is_privileged =
          type(full) == Type::regular && ((mode(full) & 06000U) != 0 || capability(full).has_value());
      const bool is_device = type(full) == Type::character || type(full) == Type::block;
      if (is_privileged || is_device) found_[path] = {Kind::added, 0};
    } else if (rules_.report_additions) {
      found_[path] = {Kind::added, is_directory ? on_disk_below(full) : 0};
    }
  }

  static Type expected_type(const manifests::Entry& entry) {
    switch (entry.type) {
      case manifests::EntryType::directory: return Type::directory;
      case manifests::EntryType::symlink: return Type::symlink;
      case manifests::EntryType::file: break;
    }
    return Type::regular;
  }

  const Rules& rules_;
  Path root_;
  Drift found_;
};

}  // namespace driftd::test
