#include "daemon/path_arguments.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include "daemon/tree_place.hpp"
#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::daemon {
namespace {

namespace fs = std::filesystem;
using manifests::Error;
using manifests::ErrorCode;
using manifests::RelPath;
using manifests::Result;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

/// A normal relative path as the path of an entry: `.` for the root.
std::optional<std::string> path_below(const fs::path& normal) {
  std::string path;
  for (const fs::path& part : normal) {
    if (!part.empty() && part != ".") path += (path.empty() ? "" : "/") + part.native();
  }
  if (path.empty()) return ".";
  return RelPath::parse(path) ? std::optional(path) : std::nullopt;
}

/// Where an absolute path lies in the tree: `.` for its root.
std::optional<std::string> path_beneath_root(const fs::path& root, const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  fs::path leading;
  for (auto part = normal.begin(); part != normal.end(); ++part) {
    leading /= *part;
    if (resolved(leading) != root) continue;
    fs::path rest;
    while (++part != normal.end()) rest /= *part;
    return path_below(rest);
  }
  return std::nullopt;
}

bool is_beneath(const fs::path& inner, const fs::path& outer) {
  const auto [at, end] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return at == outer.end() && end != inner.end();
}

/// A path in one of the trees.
struct Place {
  std::size_t tree;
  std::string path;
  fs::path written;  ///< absolute, with all its dots and slashes
};

/// Where an absolute path lies in a tree that does not answer, as it is written.
std::optional<Place> place_in_silent(const std::vector<TreePlace>& trees, const fs::path& absolute) {
  const fs::path normal = absolute.lexically_normal();
  for (std::size_t i = 0; i < trees.size(); ++i) {
    if (trees[i].is_known || (normal != trees[i].root && !is_beneath(normal, trees[i].root))) continue;
    if (auto inside = path_below(normal.lexically_relative(trees[i].root)))
      return Place{i, std::move(*inside), absolute};
  }
  return std::nullopt;
}

std::vector<Place> places_of(const std::vector<TreePlace>& trees, const std::string& path) {
  std::vector<Place> places;
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (auto silent = error ? std::nullopt : place_in_silent(trees, absolute)) return {std::move(*silent)};
  for (std::size_t i = 0; !error && i < trees.size(); ++i) {
    if (auto inside = path_beneath_root(trees[i].root, absolute)) places.push_back({i, std::move(*inside), absolute});
  }
  const auto is_outer = [&](const Place& place) {
    return std::any_of(places.begin(), places.end(),
                       [&](const Place& other) { return is_beneath(trees[other.tree].root, trees[place.tree].root); });
  };
  std::vector<Place> innermost;
  std::copy_if(places.begin(), places.end(), std::back_inserter(innermost), std::not_fn(is_outer));
  if (!innermost.empty() || fs::path(path).is_absolute()) return innermost;
  // Without a look at the trees, one of which may not answer, as long as the path does not lead out of them.
  const std::string normal = fs::path(path).lexically_normal();
  const bool leads_out = normal == ".." || normal.starts_with("../");
  for (std::size_t i = 0; i < trees.size(); ++i) {
    fs::path written = trees[i].root / path;
    auto inside = leads_out ? path_beneath_root(trees[i].root, written) : path_below(normal);
    if (inside) innermost.push_back({i, std::move(*inside), std::move(written)});
  }
  return innermost;
}

/// As in AskedPaths. A link that is a tree's root may be followed.
std::vector<fs::path> entered_by(const Place& place) {
  std::vector<fs::path> entered;
  fs::path leading;
  for (const fs::path& part : place.written) {
    if (part == "..") {
      entered.push_back(leading);
      leading = leading.parent_path();
    } else if (!part.empty() && part != ".") {
      leading /= part;
    }
  }
  const fs::path last = place.written.filename();
  if (place.path != "." && (last.empty() || last == ".")) entered.push_back(leading);
  return entered;
}

}  // namespace

Result<std::vector<AskedPaths>> asked_paths(const std::vector<TreePlace>& trees,
                                            const std::vector<std::string>& paths) {
  std::vector<AskedPaths> asked(trees.size());
  if (paths.empty()) {
    for (AskedPaths& of_tree : asked) of_tree.scope.add_whole();
    return asked;
  }
  for (const std::string& path : paths) {
    // An unset variable in a script: not all trees.
    if (path.empty()) return usage("a PATH is empty");
    const auto places = places_of(trees, path);
    if (places.empty()) return usage(manifests::escape(path) + ": lies in no tree that is checked");
    for (const Place& place : places) {
      AskedPaths& of_tree = asked[place.tree];
      const auto inside = RelPath::parse(place.path);
      inside ? of_tree.scope.add(*inside) : of_tree.scope.add_whole();
      for (const fs::path& directory : entered_by(place)) of_tree.entered.emplace(directory, path);
    }
  }
  return asked;
}

}  // namespace driftd::daemon
