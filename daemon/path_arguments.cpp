#include "daemon/path_arguments.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "daemon/tree_place.hpp"
#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/look.hpp"

namespace driftd::daemon {
namespace {

namespace fs = std::filesystem;
using manifests::Error;
using manifests::ErrorCode;
using manifests::RelPath;
using manifests::Result;

Error usage(std::string message) { return {ErrorCode::usage, std::move(message)}; }

/// A normal relative path as the path of an entry, or what would be one if it were not too long: `.` for the root.
std::optional<std::string> path_below(const fs::path& normal) {
  std::string path;
  for (const fs::path& part : normal) {
    if (part == "..") return std::nullopt;
    if (!part.empty() && part != ".") path += (path.empty() ? "" : "/") + part.native();
  }
  return path.empty() ? "." : path;
}

bool is_beneath(const fs::path& inner, const fs::path& outer) {
  const auto [at, end] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return at == outer.end() && end != inner.end();
}

bool is_mount(const fs::path& directory, const fs::path& name) {
  const manifests::UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return fd && scanner::look_at(fd.get(), name.c_str()).error == EXDEV;
}

/// An absolute path, and where its leading parts lead.
class Way {
 public:
  Way(const std::vector<TreePlace>& trees, const fs::path& path, Links links) : normal_(path.lexically_normal()) {
    fs::path leading;
    bool is_in_tree = false;
    for (const fs::path& part : normal_) {
      if (links == Links::resolved && is_in_tree && is_dead_end(trees, real_.back(), part)) return;
      leading /= part;
      real_.push_back(links == Links::resolved ? resolved(leading) : leading);
      is_in_tree = is_in_tree || std::any_of(trees.begin(), trees.end(),
                                             [&](const TreePlace& tree) { return tree.root == real_.back(); });
    }
  }

  /// Where the path lies in a tree: `.` for its root.
  [[nodiscard]] std::optional<std::string> beneath(const fs::path& root) const {
    const auto at = std::find(real_.begin(), real_.end(), root);
    if (at == real_.end()) return std::nullopt;
    fs::path rest;
    for (auto part = std::next(normal_.begin(), at - real_.begin() + 1); part != normal_.end(); ++part) rest /= *part;
    return path_below(rest);
  }

  /// The first link below a tree's root, on the way to a tree in it, as a path of the tree. Nothing: there is none.
  [[nodiscard]] std::optional<std::string> link_on_the_way(const std::vector<TreePlace>& trees,
                                                           const fs::path& root) const {
    const auto at = std::find(real_.begin(), real_.end(), root);
    fs::path below;
    auto part = std::next(normal_.begin(), at - real_.begin());
    for (auto real = at; real != real_.end() && ++real != real_.end();) {
      below /= *++part;
      if (*real != root / below) return path_below(below);
      if (std::any_of(trees.begin(), trees.end(), [&](const TreePlace& tree) { return tree.root == *real; })) break;
    }
    return std::nullopt;
  }

 private:
  /// What is mounted in a tree and leads to none is not asked, as it may not answer.
  static bool is_dead_end(const std::vector<TreePlace>& trees, const fs::path& directory, const fs::path& name) {
    const fs::path at = directory / name;
    const auto leads_to = [&](const TreePlace& tree) { return tree.root == at || is_beneath(tree.root, at); };
    return is_mount(directory, name) && std::none_of(trees.begin(), trees.end(), leads_to);
  }

  fs::path normal_;
  std::vector<fs::path> real_;
};

/// A path in one of the trees.
struct Place {
  std::size_t tree;
  std::string path;
  fs::path written;  ///< absolute, with all its dots and slashes
  bool is_guess = false;
};

/// Where an absolute path lies in a tree that does not answer, the innermost one, as it is written.
std::optional<Place> place_in_silent(const std::vector<TreePlace>& trees, const fs::path& absolute) {
  const fs::path normal = absolute.lexically_normal();
  std::optional<Place> innermost;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    if (trees[i].is_known || (normal != trees[i].root && !is_beneath(normal, trees[i].root))) continue;
    if (innermost && !is_beneath(trees[i].root, trees[innermost->tree].root)) continue;
    if (auto inside = path_below(normal.lexically_relative(trees[i].root)))
      innermost = Place{i, std::move(*inside), absolute};
  }
  return innermost;
}

fs::path on_host(const std::vector<TreePlace>& trees, const Place& place) {
  const fs::path& root = trees[place.tree].root;
  return place.path == "." ? root : root / place.path;
}

/// Where a relative path may lie that leads into no tree from the working directory: in each, or in one nested in it.
std::vector<Place> guesses_of(const std::vector<TreePlace>& trees, const std::string& path, Links links) {
  std::vector<Place> guesses;
  // Without a look at the trees, one of which may not answer, as long as the path does not lead out of them.
  const std::string normal = fs::path(path).lexically_normal();
  const bool leads_out = normal == ".." || normal.starts_with("../");
  for (std::size_t i = 0; i < trees.size(); ++i) {
    fs::path written = trees[i].root / path;
    auto inside = leads_out ? Way(trees, written, links).beneath(trees[i].root) : path_below(normal);
    if (!inside) continue;
    Place guess{i, std::move(*inside), std::move(written), true};
    const fs::path at = on_host(trees, guess);
    for (std::size_t inner = 0; inner < trees.size(); ++inner) {
      const fs::path& root = trees[inner].root;
      if (!is_beneath(root, trees[guess.tree].root) || (at != root && !is_beneath(at, root))) continue;
      guess.tree = inner;
      guess.path = path_below(at.lexically_relative(root)).value_or(".");
    }
    guesses.push_back(std::move(guess));
  }
  return guesses;
}

std::vector<Place> places_of(const std::vector<TreePlace>& trees, const std::string& path, Links links) {
  std::vector<Place> places;
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (auto silent = error ? std::nullopt : place_in_silent(trees, absolute)) return {std::move(*silent)};
  const Way way(trees, error ? fs::path() : absolute, links);
  for (std::size_t i = 0; i < trees.size(); ++i) {
    if (auto inside = way.beneath(trees[i].root)) places.push_back({i, std::move(*inside), absolute});
  }
  std::vector<Place> innermost;
  for (const Place& place : places) {
    const fs::path& root = trees[place.tree].root;
    const bool has_inner = std::any_of(places.begin(), places.end(),
                                       [&](const Place& other) { return is_beneath(trees[other.tree].root, root); });
    if (!has_inner) {
      innermost.push_back(place);
    } else if (auto link = way.link_on_the_way(trees, root)) {
      innermost.push_back({place.tree, *link, root / *link});
    }
  }
  return innermost.empty() && !fs::path(path).is_absolute() ? guesses_of(trees, path, links) : innermost;
}

/// The trees whose roots lie below one of the places, as a whole.
std::vector<Place> trees_below(const std::vector<TreePlace>& trees, const std::vector<Place>& places) {
  std::vector<Place> below;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const auto has_it = [&](const Place& place) { return is_beneath(trees[i].root, on_host(trees, place)); };
    if (std::any_of(places.begin(), places.end(), has_it)) below.push_back({i, ".", trees[i].root});
  }
  return below;
}

/// As in Detour. A link that is a tree's root may be followed.
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

/// Of the last component of an absolute path; EXDEV where something is mounted.
scanner::Look look_at(const fs::path& path) {
  const manifests::UniqueFd parent(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return {errno};
  return scanner::look_at(parent.get(), path.has_filename() ? path.filename().c_str() : ".");
}

/// What a link leads to is in another directory than the link.
bool leads_away(const fs::path& link) {
  std::error_code error;
  const fs::path real = fs::canonical(link, error);
  return error || real.parent_path() != resolved(link.parent_path());
}

std::optional<Detour> detour_at(const std::vector<TreePlace>& trees, const fs::path& directory, const std::string& path,
                                Links links) {
  if (links == Links::unknown) return Detour{path, directory, "its file system does not answer"};
  const scanner::Look look = look_at(directory);
  const bool is_there = look.error == 0 || look.error == EXDEV;
  const bool is_nothing = look.error == ENOENT || look.error == ENOTDIR;
  if (is_nothing || (is_there && look.type != DT_LNK)) return std::nullopt;
  const fs::path at = resolved(directory.parent_path()) / directory.filename();
  if (!is_there) return Detour{path, at, std::generic_category().message(look.error)};
  // Where a link in a tree leads need not answer, and is not asked.
  const bool is_in_tree =
      std::any_of(trees.begin(), trees.end(), [&](const TreePlace& tree) { return is_beneath(at, tree.root); });
  return Detour{path, at, "", is_in_tree || leads_away(directory)};
}

}  // namespace

void AskedPaths::add(NamedPath path) {
  const auto inside = RelPath::parse(path.path);
  inside ? scope.add(*inside) : scope.add_whole();
  named.insert(std::move(path));
}

Result<std::vector<AskedPaths>> asked_paths(const std::vector<TreePlace>& trees, const std::vector<std::string>& paths,
                                            Links links, const std::function<void(const std::string&)>& about) {
  std::vector<AskedPaths> asked(trees.size());
  if (paths.empty()) {
    for (AskedPaths& of_tree : asked) of_tree.scope.add_whole();
    return asked;
  }
  for (const std::string& path : paths) {
    // An unset variable in a script: not all trees.
    if (path.empty()) return usage("a PATH is empty");
    if (about) about(path);
    auto places = places_of(trees, path, links);
    if (places.empty()) return usage(manifests::escape(path) + ": lies in no tree that is checked");
    const auto below = trees_below(trees, places);
    places.insert(places.end(), below.begin(), below.end());
    for (const Place& place : places) {
      AskedPaths& of_tree = asked[place.tree];
      if (place.path != "." && !RelPath::parse(place.path)) {
        of_tree.detours.emplace(path, Detour{path, place.written, std::generic_category().message(ENAMETOOLONG)});
        continue;
      }
      of_tree.add({place.path, path, place.is_guess});
      for (const fs::path& directory : entered_by(place)) {
        if (auto detour = detour_at(trees, directory, path, links))
          of_tree.detours.emplace(directory, std::move(*detour));
      }
    }
  }
  return asked;
}

}  // namespace driftd::daemon
