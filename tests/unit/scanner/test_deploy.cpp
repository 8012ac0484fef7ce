#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/deploy.hpp"
#include "scanner/scan.hpp"
#include "tests/unit/scanner/scan_site.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"

namespace fs = std::filesystem;

using driftd::manifests::RelPath;
using driftd::manifests::VerifiedManifest;
using driftd::scanner::differing_paths;
using driftd::scanner::Finding;
using driftd::scanner::is_exactly;
using driftd::scanner::ScanPlan;
using driftd::scanner::ScanResult;
using driftd::scanner::Scope;
using driftd::test::dir_entry;
using driftd::test::Entries;
using driftd::test::file_entry;
using driftd::test::header_of;
using driftd::test::Lines;
using driftd::test::lines_of;
using driftd::test::link_entry;
using driftd::test::make_release;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::ScanSite;
using driftd::test::TempTree;
using driftd::test::with_globs;

namespace {

/// What stands at a path: content of a file, target of a link (with `>` before it), or a directory (`/`).
using Model = std::map<std::string, std::string>;

Entries entries_of(const Model& model) {
  Entries entries;
  for (const auto& [path, what] : model) {
    entries[path] = what == "/" ? dir_entry() : what[0] == '>' ? link_entry(what.substr(1)) : file_entry(what);
  }
  return entries;
}

std::shared_ptr<const VerifiedManifest> release_of(const Model& model, std::uint64_t sequence) {
  return make_release(entries_of(model), header_of("v" + std::to_string(sequence), sequence));
}

void put(const TempTree& tree, const std::string& path, const std::string& what) {
  if (what == "/") {
    tree.dir(path);
  } else if (what[0] == '>') {
    tree.link(path, what.substr(1));
  } else {
    tree.file(path, what);
  }
}

void put_all(const TempTree& tree, const Model& model) {
  for (const auto& [path, what] : model) put(tree, path, what);
}

std::vector<std::string> paths_of(const std::vector<Finding>& findings) {
  std::vector<std::string> paths;
  for (const Finding& finding : findings) paths.push_back(finding.path);
  return paths;
}

ScanResult scan_between(const TempTree& tree, const Model& before, const Model& after) {
  ScanPlan plan;
  plan.manifest = release_of(after, 2);
  plan.previous = release_of(before, 1);
  plan.root = tree.path();
  return must(driftd::scanner::scan(plan, Scope::whole(), {.threads = 2, .throttle = nullptr}, {}));
}

const Model kBefore = {{"app.py", "one"}, {"bin", "/"},       {"bin/run", "run"},   {"current", ">v1"},
                       {"gone", "/"},     {"gone/a", "a"},    {"gone/b", "b"},      {"same.py", "same"},
                       {"was_dir", "/"},  {"was_dir/x", "x"}, {"was_file", "file"}, {"removed.py", "r"}};
const Model kAfter = {{"app.py", "two and more"}, {"bin", "/"},        {"bin/run", "ruN"},
                      {"current", ">v2"},         {"fresh", "/"},      {"fresh/c", "c"},
                      {"fresh/d", "d"},           {"same.py", "same"}, {"was_dir", "now a file"},
                      {"was_file", "/"},          {"was_file/y", "y"}};

}  // namespace

TEST_CASE("a tree that is still the release before is pending, and nothing of it is drift") {
  TempTree tree;
  put_all(tree, kBefore);
  const ScanResult result = scan_between(tree, kBefore, kAfter);
  CHECK(lines_of(result).empty());
  CHECK(paths_of(result.pending) ==
        Lines{"app.py", "bin/run", "current", "fresh", "gone", "removed.py", "was_dir", "was_file"});
}

TEST_CASE("a tree that is the new release has nothing pending") {
  TempTree tree;
  put_all(tree, kAfter);
  const ScanResult result = scan_between(tree, kBefore, kAfter);
  CHECK(lines_of(result).empty());
  CHECK(result.pending.empty());
}

TEST_CASE("what matches neither release is drift, wherever it lies") {
  struct Row {
    std::string name;
    std::function<void(const TempTree&)> edit;
    Lines drift;
  };
  const std::vector<Row> rows = {
      {"a file that changes", [](const TempTree& tree) { tree.file("app.py", "edited"); }, {"modified app.py"}},
      {"a file that stays", [](const TempTree& tree) { tree.file("same.py", "Same"); }, {"modified same.py"}},
      {"a file of a directory that goes", [](const TempTree& tree) { tree.file("gone/a", "A"); }, {"modified gone/a"}},
      {"an addition there", [](const TempTree& tree) { tree.file("gone/new", "A"); }, {"added gone/new"}},
      {"a deletion there is progress", [](const TempTree& tree) { tree.remove("gone/a"); }, {}},
      {"an addition in a directory that stays", [](const TempTree& tree) { tree.file("bin/x", "x"); }, {"added bin/x"}},
      {"a new directory half there", [](const TempTree& tree) { tree.dir("fresh"), tree.file("fresh/c", "c"); }, {}},
      {"a wrong file in it",
       [](const TempTree& tree) { tree.dir("fresh"), tree.file("fresh/c", "C"); },
       {"modified fresh/c"}},
      {"an addition in it",
       [](const TempTree& tree) { tree.dir("fresh"), tree.file("fresh/e", "e"); },
       {"added fresh/e"}},
      {"a link elsewhere",
       [](const TempTree& tree) { tree.remove("current"), tree.link("current", "v3"); },
       {"target current"}},
      {"a file that goes, edited", [](const TempTree& tree) { tree.file("removed.py", "R"); }, {"added removed.py"}},
      {"a file that stays, deleted", [](const TempTree& tree) { tree.remove("same.py"); }, {"missing same.py"}},
      {"a file that changes, deleted", [](const TempTree& tree) { tree.remove("app.py"); }, {"missing app.py"}},
      {"a directory that becomes a file, edited below",
       [](const TempTree& tree) { tree.file("was_dir/x", "X"); },
       {"modified was_dir/x"}},
      {"a file that becomes a directory, edited",
       [](const TempTree& tree) { tree.file("was_file", "F"); },
       {"type was_file +1"}},
      {"world-writable", [](const TempTree& tree) { tree.mode("app.py", 0666); }, {"modified app.py"}},
      {"a world-writable root", [](const TempTree& tree) { tree.mode(".", 0777); }, {"metadata ."}},
      {"rsync's file in transit", [](const TempTree& tree) { tree.file(".app.py.a1B2c3", "tw"); }, {}},
      {"and in a new directory", [](const TempTree& tree) { tree.dir("fresh"), tree.file("fresh/.c.a1B2c3", ""); }, {}},
      {"dpkg's file in transit", [](const TempTree& tree) { tree.file("bin/run.dpkg-new", "ru"); }, {}},
      {"for what stays the same", [](const TempTree& tree) { tree.file("same.py.dpkg-new", ""); }, {}},
      {"a link in transit", [](const TempTree& tree) { tree.link(".current.a1B2c3", "v2"); }, {}},
      {"a link for a file",
       [](const TempTree& tree) { tree.link("bin/run.dpkg-new", "/bin/sh"); },
       {"added bin/run.dpkg-new"}},
      {"a backup", [](const TempTree& tree) { tree.file(".app.py.backup~", ""); }, {"added .app.py.backup~"}},
      {"such a name for nothing", [](const TempTree& tree) { tree.file(".x.py.a1B2c3", ""); }, {"added .x.py.a1B2c3"}},
      {"a setuid file in transit",
       [](const TempTree& tree) { tree.file("bin/run.dpkg-new", "", 04755); },
       {"added bin/run.dpkg-new"}},
      {"a directory in transit",
       [](const TempTree& tree) { tree.dir("bin/run.dpkg-new"); },
       {"added bin/run.dpkg-new"}},
      {"a directory that makes room for a file", [](const TempTree& tree) { tree.remove("was_dir"); }, {}},
      {"a file that makes room for a directory", [](const TempTree& tree) { tree.remove("was_file"); }, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    TempTree tree;
    put_all(tree, kBefore);
    row.edit(tree);
    CHECK(lines_of(scan_between(tree, kBefore, kAfter)) == row.drift);
  }
}

TEST_CASE("the root itself may be pending") {
  TempTree tree;
  put_all(tree, {{"a", "a"}});
  tree.mode(".", 0750);
  const auto with_root_mode = [](std::uint32_t mode, std::uint64_t sequence) {
    driftd::manifests::ManifestBuilder builder(header_of("v", sequence));
    driftd::manifests::Entry root = dir_entry();
    root.attributes.mode = mode;
    must(builder.add(".", root));
    must(builder.add("a", file_entry("a")));
    return driftd::test::sign_manifest(must(std::move(builder).finish()));
  };
  ScanPlan plan;
  plan.root = tree.path();
  plan.manifest = with_root_mode(0755, 2);
  plan.previous = with_root_mode(0750, 1);
  const auto result = must(driftd::scanner::scan(plan, Scope::whole(), {}, {}));
  CHECK(paths_of(result.pending) == Lines{"."});
  CHECK(result.findings.empty());
  plan.previous = with_root_mode(0700, 1);
  CHECK(paths_of(must(driftd::scanner::scan(plan, Scope::whole(), {}, {})).findings) == Lines{"."});
}

TEST_CASE("a directory that comes and goes hides nothing of what is in it") {
  TempTree tree;
  TempTree outside;
  Model before = kAfter;
  before["app.py"] = "one";
  before["fresh/c"] = "old c";
  put_all(tree, kAfter);
  tree.file("fresh/d", "by hand");
  std::atomic<bool> done = false;
  std::thread mover([&] {
    const std::string here = tree.at("fresh");
    const std::string there = outside.at("fresh");
    while (!done) {
      if (::rename(here.c_str(), there.c_str()) == 0) (void)!::rename(there.c_str(), here.c_str());
    }
  });
  std::size_t clean = 0;
  for (int round = 0; round < 300; ++round) {
    const ScanResult result = scan_between(tree, before, kAfter);
    if (result.findings.empty() && result.unverified.empty()) ++clean;
  }
  done = true;
  mover.join();
  CHECK(clean == 0);
}

TEST_CASE("where additions are nobody's business, what the new release adds is looked at all the same") {
  TempTree tree;
  put_all(tree, kBefore);
  tree.file("new.py", "tampered");
  Model after = kAfter;
  after["new.py"] = "as released";
  ScanPlan plan;
  plan.manifest = release_of(after, 2);
  plan.previous = release_of(kBefore, 1);
  plan.root = tree.path();
  plan.report_additions = false;
  CHECK(lines_of(must(driftd::scanner::scan(plan, Scope::whole(), {}, {}))) == Lines{"modified new.py"});
}

TEST_CASE("the paths at which two releases differ") {
  const auto paths = [](const Model& a, const Model& b) {
    Lines lines;
    const Scope scope = differing_paths(release_of(a, 1)->manifest(), release_of(b, 2)->manifest());
    for (const RelPath& path : scope.paths()) {
      lines.push_back(path.str());
    }
    return lines;
  };
  CHECK(paths(kBefore, kBefore).empty());
  const Lines differing = {"app.py", "bin/run", "current", "fresh", "gone", "removed.py", "was_dir", "was_file"};
  CHECK(paths(kBefore, kAfter) == differing);
  CHECK(paths(kAfter, kBefore) == differing);
  const auto ruled = make_release(entries_of(kBefore), with_globs(header_of(), {"var/**"}));
  CHECK(differing_paths(ruled->manifest(), release_of(kBefore, 1)->manifest()).is_whole());
}

TEST_CASE("whether a tree is another release as a whole") {
  TempTree tree;
  put_all(tree, kBefore);
  ScanPlan plan;
  plan.root = tree.path();
  plan.manifest = release_of(kAfter, 2);
  const auto older = release_of(kBefore, 1);
  const auto look = [&] {
    const auto now = must(driftd::scanner::scan(plan, Scope::whole(), {}, {}));
    Scope differing;
    for (const std::string& path : paths_of(now.findings)) differing.add(*RelPath::parse(path));
    return must(is_exactly(*older, plan, differing, {}, {}));
  };
  CHECK(look());
  SUBCASE("not with one file edited that both have") { tree.file("same.py", "Same"); }
  SUBCASE("not with one file edited that differs") { tree.file("app.py", "oNe"); }
  SUBCASE("not with an addition") { tree.file("bin/new", "x"); }
  SUBCASE("not with an addition where only the older one has a directory") { tree.file("gone/new", "x"); }
  SUBCASE("not with a file missing") { tree.remove("gone/a"); }
  SUBCASE("not with one file of the new release") { tree.file("app.py", kAfter.at("app.py")); }
  CHECK_FALSE(look());
}

TEST_CASE("of very many differences each one counts") {
  Model before;
  Model after;
  Scope differing;
  for (int i = 100; i < 160; ++i) {
    const std::string path = "f" + std::to_string(i);
    before[path] = "old";
    after[path] = "new";
    differing.add(*RelPath::parse(path));
  }
  TempTree tree;
  put_all(tree, before);
  ScanPlan plan;
  plan.root = tree.path();
  plan.manifest = release_of(after, 2);
  const auto older = release_of(before, 1);
  CHECK(must(is_exactly(*older, plan, differing, {}, {})));
  for (const char* path : {"f100", "f130", "f159"}) {
    CAPTURE(path);
    tree.file(path, "odd");
    CHECK_FALSE(must(is_exactly(*older, plan, differing, {}, {})));
    tree.file(path, "old");
  }
}

namespace {

Model random_model(Random& random, const std::string& directory = "", int depth = 0) {
  Model model;
  for (const char* name : {"a", "a-", "b", "c"}) {
    if (random.one_in(3)) continue;
    const std::string path = directory.empty() ? name : directory + "/" + name;
    switch (random.below(depth < 3 ? 4 : 2)) {
      case 0: model[path] = ">" + random.from("xy", 1); break;
      case 1: model[path] = random.from("xy", 1 + random.below(2)); break;
      default: model[path] = "/"; model.merge(random_model(random, path, depth + 1));
    }
  }
  return model;
}

/// Some of one and some of the other, each path with its directories.
Model mixed_from(const Model& before, Random& random) {
  Model other = random_model(random);
  Model mixed;
  for (const auto& [path, what] : before) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string::npos) {
      const auto parent = mixed.find(path.substr(0, slash));
      if (parent == mixed.end() || parent->second != "/") continue;
    }
    if (random.one_in(5)) continue;
    const auto replaced = other.find(path);
    mixed[path] = random.one_in(4) && replaced != other.end() ? replaced->second : what;
  }
  for (const auto& [path, what] : other) {
    const std::size_t slash = path.rfind('/');
    const auto parent = slash == std::string::npos ? mixed.end() : mixed.find(path.substr(0, slash));
    const bool fits = slash == std::string::npos || (parent != mixed.end() && parent->second == "/");
    if (fits && random.one_in(3)) mixed.try_emplace(path, what);
  }
  return mixed;
}

/// A deploy tool's step: what stands at the path becomes what the release has there, directories above it first.
void deploy(const TempTree& tree, Model& disk, const Model& after, const std::string& path) {
  const auto wanted = after.find(path);
  if (const std::size_t slash = path.rfind('/'); wanted != after.end() && slash != std::string::npos) {
    const std::string parent = path.substr(0, slash);
    if (!disk.contains(parent) || disk.at(parent) != "/") deploy(tree, disk, after, parent);
  }
  const auto present = disk.find(path);
  const bool stays = present != disk.end() && wanted != after.end() && present->second == wanted->second;
  if (stays) return;
  if (present != disk.end()) {
    tree.remove(path);
    std::erase_if(disk, [&](const auto& one) { return one.first == path || one.first.starts_with(path + "/"); });
  }
  if (wanted != after.end()) {
    put(tree, path, wanted->second);
    disk[path] = wanted->second;
  }
}

unsigned long cases_or(unsigned long otherwise) {
  const char* text = std::getenv("DRIFTD_CASES");
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("at no moment of a deploy is anything of it drift, and an edit in its midst always is") {
  const unsigned long cases = cases_or(200);
  for (unsigned long seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Model before = random_model(random);
    const Model after = mixed_from(before, random);
    TempTree tree;
    Model disk = before;
    put_all(tree, before);
    std::vector<std::string> paths;
    for (const auto& [path, what] : before) paths.push_back(path);
    for (const auto& [path, what] : after) paths.push_back(path);
    if (paths.empty()) continue;
    for (std::size_t steps = random.below(paths.size() + 1); steps > 0; --steps) {
      deploy(tree, disk, after, random.pick(paths));
    }
    const ScanResult during = scan_between(tree, before, after);
    REQUIRE(lines_of(during) == Lines{});
    REQUIRE(during.pending.empty() == (disk == after));

    std::string edited = "zzz";
    std::vector<std::string> files;
    for (const auto& [path, what] : disk) {
      if (what == "/") files.push_back(path + "/zzz");
      if (what != "/" && what[0] != '>') files.push_back(path);
    }
    if (!files.empty()) edited = random.pick(files);
    tree.file(edited, "by hand");
    const ScanResult result = scan_between(tree, before, after);
    CAPTURE(edited);
    REQUIRE(paths_of(result.findings) == Lines{edited});
    REQUIRE(result.unverified.empty());
  }
}
