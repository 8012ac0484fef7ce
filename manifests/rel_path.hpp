#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace driftd::manifests {

inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxComponent = 255;

/// True for a name that may stand between slashes: 1 to 255 bytes, neither `.` nor `..`, no `/`, no NUL.
bool is_component(std::string_view name);

/// A path inside a tree, as raw bytes. Invariants: one to many components joined by single slashes, each of them
/// is_component(); so never absolute, empty, `.`, `..`, and never with a trailing slash. The tree's root is not a
/// RelPath. The total length is not limited: a host may hold deeper paths than a manifest can name.
class RelPath {
 public:
  static std::optional<RelPath> parse(std::string_view text);

  /// `name` must be is_component().
  static RelPath of_component(std::string_view name);
  [[nodiscard]] RelPath child(std::string_view name) const;

  [[nodiscard]] const std::string& str() const { return text_; }
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] std::optional<RelPath> parent() const;

  /// True where `other` lies somewhere below this path; a path is not above itself.
  [[nodiscard]] bool is_above(const RelPath& other) const;

  friend auto operator<=>(const RelPath&, const RelPath&) = default;

 private:
  explicit RelPath(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace driftd::manifests

template <>
struct std::hash<driftd::manifests::RelPath> {
  std::size_t operator()(const driftd::manifests::RelPath& path) const noexcept {
    return std::hash<std::string>{}(path.str());
  }
};
