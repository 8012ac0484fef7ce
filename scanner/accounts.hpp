#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "manifests/error.hpp"
#include "scanner/change_stamp.hpp"

namespace driftd::scanner {

/// Names and numbers of users and groups, from the two files alone: no NSS, so no network and no plug-ins in a
/// privileged process.
class Accounts {
 public:
  /// A file that does not exist holds no names.
  static manifests::Result<Accounts> load(const std::string& passwd = "/etc/passwd",
                                          const std::string& group = "/etc/group");
  static Accounts parse(std::string_view passwd, std::string_view group);

  /// Whether the files that they were loaded from are as they were, by their status alone; false where nobody can tell
  /// yet, since they had been changed just before. What was parsed is always current.
  [[nodiscard]] bool are_current() const;
  /// From the same files.
  [[nodiscard]] manifests::Result<Accounts> load_again() const;

  [[nodiscard]] std::optional<std::uint32_t> uid(const std::string& name) const { return find(users_.by_name, name); }
  [[nodiscard]] std::optional<std::uint32_t> gid(const std::string& name) const { return find(groups_.by_name, name); }
  [[nodiscard]] std::optional<std::string> user(std::uint32_t uid) const { return find(users_.by_number, uid); }
  [[nodiscard]] std::optional<std::string> group(std::uint32_t gid) const { return find(groups_.by_number, gid); }

 private:
  struct Names {
    std::unordered_map<std::string, std::uint32_t> by_name;
    std::unordered_map<std::uint32_t, std::string> by_number;
  };
  static Names parse_names(std::string_view file);

  /// A file before it was read.
  struct Source {
    std::string path;
    std::optional<ChangeStamp> stamp;  ///< nothing: there was none
    bool is_told_apart = false;        ///< any change since shows
  };
  static Source look_at(const std::string& path);

  template <class Key, class Value>
  static std::optional<Value> find(const std::unordered_map<Key, Value>& map, const Key& key) {
    const auto at = map.find(key);
    return at == map.end() ? std::nullopt : std::optional(at->second);
  }

  std::vector<Source> sources_;  ///< passwd and group; none: they were parsed
  Names users_;
  Names groups_;
};

}  // namespace driftd::scanner
