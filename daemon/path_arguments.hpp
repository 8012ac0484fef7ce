#pragma once

#include <compare>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/tree_place.hpp"
#include "manifests/error.hpp"
#include "scanner/scope.hpp"

namespace driftd::daemon {

/// A directory that a PATH goes on from, by `..` or by a slash or `/.` at its end, and that is a link, or may be one:
/// the kernel goes elsewhere there, and the scope does not. Also a PATH that is too long to be in any scope.
struct Detour {
  std::string path;     ///< the PATH
  std::string at;       ///< absolute, with the links above it resolved
  std::string unknown;  ///< why it is not known whether it is a link; empty: it is one
  /// What is above it for the kernel is, or may be, another directory than in the PATH.
  bool leads_away = true;

  bool operator==(const Detour&) const = default;
};

/// A path of a tree that a PATH leads to.
struct NamedPath {
  std::string path;       ///< as in Finding
  std::string argument;   ///< the PATH
  bool is_guess = false;  ///< it was tried in every tree, as it leads into none from the working directory

  auto operator<=>(const NamedPath&) const = default;
};

/// What is asked of one tree.
struct AskedPaths {
  scanner::Scope scope;
  std::set<NamedPath> named;              ///< each one, even below another; empty where no paths were
  std::map<std::string, Detour> detours;  ///< by the directory, absolute and as it is written, or by the PATH

  void add(NamedPath path);
  [[nodiscard]] bool empty() const { return scope.empty() && detours.empty(); }
};

/// How links on the way to a tree's root are taken.
enum class Links { resolved, unknown };

/// What the PATH arguments of a command ask of each tree; parallel to `trees`, and empty where nothing was asked of
/// one. No paths ask for all trees as a whole. A tree whose place is not known does not answer: it is not asked either.
///
/// An absolute path belongs to the trees in whose root it lies, the innermost root of nested ones; where a link of the
/// outer tree leads to that, the link is asked of the outer one. Trees whose roots lie below it are asked as a whole. A
/// relative path is taken from the working directory, as anywhere. Where that leads into no tree, it is taken from the
/// root of each: which of them it was meant for is for the caller to find out. Links are resolved in the part that
/// leads to a root alone; below it a link is what it is, not what it leads to. Fails (`usage`) for a path that lies in
/// no tree. Asks the file systems on the way to the paths, so it may hang, unless links are unknown: then a path is
/// what is written. `about`: is told which path comes next.
manifests::Result<std::vector<AskedPaths>> asked_paths(const std::vector<TreePlace>& trees,
                                                       const std::vector<std::string>& paths,
                                                       Links links = Links::resolved,
                                                       const std::function<void(const std::string&)>& about = {});

}  // namespace driftd::daemon
