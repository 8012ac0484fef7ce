#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/unique_fd.hpp"
#include "scanner/dirty_paths.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/support/skip.hpp"
#include "tests/unit/support/temp_tree.hpp"

using namespace driftd::scanner;
using driftd::test::must;
using driftd::test::TempTree;

namespace {

/// An event as the kernel would tell it of a name in this directory, or nothing where handles cannot be had.
std::optional<WatchEvent> event_in(const std::string& directory, const std::string& name) {
  WatchEvent event;
  event.name = name;
  struct statfs status {};
  if (::statfs(directory.c_str(), &status) != 0) return std::nullopt;
  std::memcpy(event.file_system.data(), &status.f_fsid, sizeof event.file_system);
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> storage{};
  auto* handle = reinterpret_cast<file_handle*>(storage.data());
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  if (::name_to_handle_at(AT_FDCWD, directory.c_str(), handle, &mount, 0) != 0) return std::nullopt;
  event.handle_type = handle->handle_type;
  event.handle.assign(storage.data() + offsetof(file_handle, f_handle), handle->handle_bytes);
  return event;
}

using Lines = std::vector<std::string>;

Lines paths_of(const Scope& dirty) {
  if (dirty.is_whole()) return {"all"};
  Lines lines;
  for (const auto& path : dirty.paths()) lines.push_back(path.str());
  return lines;
}

DirtyPaths dirty_paths_of(const std::string& root) {
  const TreeRoot opened = must(TreeRoot::open(root));
  return {root, opened.identity, must(opened.file_system())};
}

/// Of what is the tree still.
Scope told(const DirtyPaths& dirty, const std::vector<WatchEvent>& events) {
  auto scope = dirty.resolve(events);
  REQUIRE(scope.has_value());
  return *scope;
}

/// Handles are opened by CAP_DAC_READ_SEARCH only, and not on every file system.
bool handles_work(const TempTree& tree) {
  const auto event = event_in(tree.path(), "x");
  return event && !dirty_paths_of(tree.path()).resolve({*event}).value().empty();
}

}  // namespace

TEST_CASE("an event leads to where the directory stands now") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("root/a/b");
  tree.dirs("root-not/a");
  const DirtyPaths dirty = dirty_paths_of(tree.at("root"));
  const WatchEvent top = event_in(tree.at("root"), "new\n\xff").value();
  const WatchEvent itself = event_in(tree.at("root"), ".").value();
  const WatchEvent inner = event_in(tree.at("root/a/b"), "file").value();
  const WatchEvent inner_itself = event_in(tree.at("root/a/b"), ".").value();

  CHECK(paths_of(told(dirty, {})).empty());
  CHECK(paths_of(told(dirty, {top})) == Lines{"new\n\xff"});
  CHECK(paths_of(told(dirty, {inner, top, inner})) == Lines{"a/b/file", "new\n\xff"});
  CHECK(paths_of(told(dirty, {inner, inner_itself})) == Lines{"a/b"});
  CHECK(paths_of(told(dirty, {inner, itself})) == Lines{"all"});
  const auto both = dirty.look_up({inner, itself}).value();
  CHECK(both.anywhere);
  CHECK(paths_of(both.paths) == Lines{"a/b/file"});
  CHECK_FALSE(dirty.look_up({inner}).value().anywhere);

  SUBCASE("outside the root, even where the name only starts like it") {
    CHECK(told(dirty, {event_in(tree.path(), "root").value(), event_in(tree.at("root-not/a"), "x").value()}).empty());
  }
  SUBCASE("renamed within the tree") {
    tree.rename("root/a", "root/moved");
    CHECK(paths_of(told(dirty, {inner})) == Lines{"moved/b/file"});
  }
  SUBCASE("renamed out of the tree") {
    tree.rename("root/a", "away");
    CHECK(told(dirty, {inner}).empty());
  }
  SUBCASE("the root renamed: nobody can tell what the events are about, until it is back") {
    tree.rename("root", "elsewhere");
    CHECK_FALSE(dirty.resolve({inner}).has_value());
    tree.dirs("root/a/b");
    CHECK_FALSE(dirty.resolve({inner}).has_value());
    tree.remove("root");
    tree.rename("elsewhere", "root");
    CHECK(paths_of(told(dirty, {inner})) == Lines{"a/b/file"});
  }
  SUBCASE("nothing is held open") {
    tree.remove("root");
    for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;  // the listing's own
      CHECK_FALSE(std::filesystem::read_symlink(one.path(), gone).string().starts_with(tree.path()));
    }
  }
  SUBCASE("gone") {
    tree.remove("root/a");
    CHECK(told(dirty, {inner, inner_itself}).empty());
  }
  SUBCASE("too deep to have a path") {
    for (const bool is_inside : {true, false}) {
      CAPTURE(is_inside);
      driftd::manifests::UniqueFd at(
          ::open(tree.at(is_inside ? "root" : "root-not").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      for (int level = 0; level < 50; ++level) {
        const std::string name(100, 'd');
        REQUIRE(::mkdirat(at.get(), name.c_str(), 0700) == 0);
        at = driftd::manifests::UniqueFd(::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      }
      WatchEvent deep = event_in("/proc/self/fd/" + std::to_string(at.get()) + "/.", "f").value();
      CHECK(paths_of(told(dirty, {deep})) == (is_inside ? Lines{"all"} : Lines{}));
    }
  }
  SUBCASE("a handle that is none") {
    WatchEvent broken = inner;
    broken.handle.resize(broken.handle.size() / 2);
    WatchEvent oversized = inner;
    oversized.handle.assign(1000, 'x');
    WatchEvent empty = inner;
    empty.handle.clear();
    CHECK(told(dirty, {broken, oversized, empty}).empty());
  }
  SUBCASE("another file system") {
    WatchEvent foreign = inner;
    foreign.file_system[0] ^= 1;
    CHECK(told(dirty, {foreign}).empty());
    CHECK_FALSE(dirty.may_concern(foreign));
    CHECK(dirty.may_concern(inner));
  }
}

TEST_CASE("a write by whatever name leads to all that the file has in the tree") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("root/d");
  tree.dirs("outside");
  tree.file("root/one", "x");
  tree.hard_link("root/one", "root/d/two");
  tree.hard_link("root/one", "outside/three");
  const auto manifest = driftd::test::make_release(driftd::test::record(tree.at("root")));
  const auto target = must(handle_of(AT_FDCWD, tree.at("outside/three").c_str()));
  const KnownFiles known(manifest, {{file_number(target), manifest->manifest().find("one").value()},
                                    {file_number(target), manifest->manifest().find("d/two").value()}});
  const DirtyPaths dirty = dirty_paths_of(tree.at("root"));
  WatchEvent outside = event_in(tree.at("outside"), "three").value();
  outside.target = target;
  CHECK(paths_of(dirty.resolve({outside}, known).value()) == Lines{"d/two", "one"});
  CHECK(dirty.resolve({outside}).value().empty());
  SUBCASE("by no name at all") {
    WatchEvent nameless = outside;
    nameless.handle.clear();
    nameless.name.clear();
    CHECK(paths_of(dirty.resolve({nameless}, known).value()) == Lines{"d/two", "one"});
  }
  SUBCASE("by a name that is gone, in a directory that is gone too") {
    tree.remove("outside");
    CHECK(paths_of(dirty.resolve({outside}, known).value()) == Lines{"d/two", "one"});
  }
  SUBCASE("by a name in the tree") {
    WatchEvent inside = outside;
    inside.handle = event_in(tree.at("root/d"), "new").value().handle;
    inside.name = "new";
    CHECK(paths_of(dirty.resolve({inside}, known).value()) == Lines{"d/new", "d/two", "one"});
  }
  SUBCASE("another file") {
    tree.file("outside/other", "x");
    outside.target = must(handle_of(AT_FDCWD, tree.at("outside/other").c_str()));
    CHECK(dirty.resolve({outside}, known).value().empty());
  }
  SUBCASE("another file system") {
    outside.file_system[0] ^= 1;
    CHECK(dirty.resolve({outside}, known).value().empty());
  }
}

TEST_CASE("nested trees are both told; each sorts out what is its own") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("outer/inner/d");
  tree.dirs("other");
  const auto event = event_in(tree.at("outer/inner/d"), "x").value();
  CHECK(paths_of(told(dirty_paths_of(tree.at("outer")), {event})) == Lines{"inner/d/x"});
  CHECK(paths_of(told(dirty_paths_of(tree.at("outer/inner")), {event})) == Lines{"d/x"});
  CHECK(told(dirty_paths_of(tree.at("other")), {event}).empty());
}

TEST_CASE("a tree's root may be a link, is known by what that leads to, and must be there") {
  const TempTree tree;
  if (!handles_work(tree)) return driftd::test::skip("needs CAP_DAC_READ_SEARCH and a file system with handles");
  tree.dirs("releases/1/d");
  tree.dirs("releases/2/d");
  tree.link("current", "releases/1");
  tree.file("file", "");
  const DirtyPaths first = dirty_paths_of(tree.at("current"));
  const auto one = event_in(tree.at("releases/1/d"), "x").value();
  const auto two = event_in(tree.at("releases/2/d"), "x").value();
  CHECK(paths_of(told(first, {one, two})) == Lines{"d/x"});
  tree.remove("current");
  tree.link("current", "releases/2");
  CHECK_FALSE(first.resolve({one}).has_value());
  const DirtyPaths second = dirty_paths_of(tree.at("current"));
  CHECK(paths_of(told(second, {two})) == Lines{"d/x"});
  CHECK(told(second, {one}).empty());
  CHECK_FALSE(TreeRoot::open(tree.at("none")).has_value());
  CHECK_FALSE(TreeRoot::open(tree.at("file")).has_value());
}
