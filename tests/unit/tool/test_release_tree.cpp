#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/release_tree.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/show.hpp"
#include "tests/unit/tool/release_lines.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::check_error;
using driftd::test::dir;
using driftd::test::file;
using driftd::test::globs;
using driftd::test::lines;
using driftd::test::link_to;
using driftd::test::must;
using driftd::test::release;

using Lines = std::vector<std::string>;

TEST_CASE("the order of items does not matter, and missing directories are made up") {
  std::vector<SourceItem> items = {dir("."), file("a/b/c"), dir("a"), file("a.txt"), dir("a/b"), file("a-"), file("Z")};
  const Lines expected = {".",
                          "./Z type=file size=5",
                          "./a type=dir",
                          "./a/b type=dir",
                          "./a/b/c type=file size=5",
                          "./a- type=file size=5",
                          "./a.txt type=file size=5"};
  const auto by_path = [](const SourceItem& a, const SourceItem& b) { return a.path < b.path; };
  std::sort(items.begin(), items.end(), by_path);
  Lines first = lines(must(release({}, items)));
  first.front() = ".";
  CHECK(first == expected);
  int orders = 0;
  while (std::next_permutation(items.begin(), items.end(), by_path) && ++orders < 300) {
    CHECK(lines(must(release({}, items)))[2] == expected[2]);
  }
  const Lines without_directories = lines(must(release({}, {file("a/b/c"), file("a.txt"), file("a-"), file("Z")})));
  CHECK(without_directories == lines(must(release({}, items))));
}

TEST_CASE("a path that two of the source become is refused, but for directories") {
  SourceRules rules;
  rules.strip_components = 1;
  check_error(release(rules, {file("a/x"), file("b/x")}), ErrorCode::format,
              "b/x: another path of the source becomes 'x'");
  check_error(release(rules, {dir("a/x"), file("b/x")}), ErrorCode::format, "b/x: another path");
  check_error(release(rules, {file("a/x"), dir("b/x")}), ErrorCode::format, "b/x: another path");
  check_error(release(rules, {file("a/x"), file("b/x/y")}), ErrorCode::format,
              "x/y: lies below 'x', which is no directory");
  rules.mode = ModePolicy::exact;
  CHECK(lines(must(release(rules, {dir("a/x", 0700), file("a/x/1"), dir("b/x", 0750), file("b/x/2")}))) ==
        Lines{". type=dir", "./x type=dir mode=0750", "./x/1 type=file mode=0644 size=5",
              "./x/2 type=file mode=0644 size=5"});
}

TEST_CASE("a part of the source becomes the release") {
  SourceRules rules;
  rules.mode = ModePolicy::exact;
  const std::vector<SourceItem> items = {dir("."), dir("srv"), dir("srv/app", 0750), file("srv/app/x"),
                                         file("etc/passwd")};
  rules.subdir = "srv/app";
  CHECK(lines(must(release(rules, items))) == Lines{". type=dir mode=0750", "./x type=file mode=0644 size=5"});
  rules.subdir = "srv/ap";
  check_error(release(rules, items), ErrorCode::usage, "--subdir 'srv/ap': the source has no such directory");
  rules.subdir = "srv/app/x";
  check_error(release(rules, items), ErrorCode::format, "srv/app/x: no directory");
  rules.subdir = "srv/app/x/y";
  check_error(release(rules, items), ErrorCode::format, "srv/app/x: no directory, so --subdir leads nowhere");
  rules.subdir.clear();
  rules.strip_components = 3;
  check_error(release(rules, items), ErrorCode::usage, "nothing of the source is left");
}

TEST_CASE("devices elsewhere in the source do not matter") {
  const auto device = driftd::test::item("dev/null", driftd::scanner::FileType::character_device, 0666);
  SourceRules rules;
  rules.subdir = "srv";
  CHECK(lines(must(release(rules, {file("srv/x"), device}))) == Lines{". type=dir", "./x type=file size=5"});
  SourceRules free;
  free.mutable_globs = globs({"dev/**"});
  CHECK(lines(must(release(free, {file("x"), dir("dev"), device}))) ==
        Lines{". type=dir", "./dev type=dir optional ignore", "./x type=file size=5"});
  check_error(release({}, {device}), ErrorCode::format, "dev/null: a character device");
}

TEST_CASE("what a mutable rule covers is not listed") {
  SourceRules rules;
  rules.mutable_globs = globs({"var/cache/**", "**/__pycache__/**", "etc/*.local"});
  ReleaseTree tree(rules);
  for (const SourceItem& one :
       {dir("var"), dir("var/cache"), file("var/cache/x"), dir("lib"), dir("lib/__pycache__"),
        file("lib/__pycache__/m.pyc"), link_to("etc/a.local", "b"), file("etc/b.local", 04755), file("etc/c")}) {
    must(tree.add(one));
  }
  CHECK(tree.notes().left_to_mutable == 5);
  CHECK(lines(must(std::move(tree).finish())) == Lines{". type=dir", "./etc type=dir", "./etc/c type=file size=5",
                                                       "./lib type=dir", "./var type=dir",
                                                       "./var/cache type=dir optional ignore"});
  // Not in the source: it may be absent, and so may what leads there.
  CHECK(lines(must(release(rules, {dir(".")}))) ==
        Lines{". type=dir", "./var type=dir optional", "./var/cache type=dir optional ignore"});
  check_error(release(rules, {link_to("var/cache", "/data")}), ErrorCode::format,
              "var/cache: no directory in the source, but --mutable 'var/cache/**'");
}

TEST_CASE("directories that an archive leaves out are listed where they hold what is not listed") {
  SourceRules rules;
  rules.mutable_globs = globs({"var/cache/**", "**/__pycache__/**", "etc/*.local"});
  const std::vector<SourceItem> files = {file("var/cache/a/b"), file("lib/x/__pycache__/sub/m.pyc"),
                                         file("etc/a.local")};
  std::vector<SourceItem> all = files;
  for (const char* path :
       {"var", "var/cache", "var/cache/a", "lib", "lib/x", "lib/x/__pycache__", "lib/x/__pycache__/sub", "etc"}) {
    all.push_back(dir(path));
  }
  CHECK(lines(must(release(rules, files))) == lines(must(release(rules, all))));
  CHECK(lines(must(release(rules, files))) == Lines{". type=dir", "./etc type=dir", "./lib type=dir",
                                                    "./lib/x type=dir", "./var type=dir",
                                                    "./var/cache type=dir optional ignore"});
}

TEST_CASE("a mutable directory below another is said once") {
  SourceRules rules;
  rules.mutable_globs = globs({"var/cache/**", "var/**"});
  CHECK(lines(must(release(rules, {dir("."), dir("var"), dir("var/cache")}))) ==
        Lines{". type=dir", "./var type=dir optional ignore"});
}

TEST_CASE("links, generated and optional files come from the rules") {
  SourceRules rules;
  rules.owner = must(parse_owner("app:www"));
  rules.links = {{"current", "releases/103"}, {"log/today", "../x y"}};
  rules.generated_paths = {"etc/env", "x"};
  rules.optional_paths = {"y", "conf/local", "etc/env"};
  CHECK(lines(must(release(rules, {dir("."), file("x", 0755), file("y")}))) ==
        Lines{". type=dir uname=app gname=www", "./conf type=dir uname=app gname=www optional",
              "./conf/local type=file uname=app gname=www optional",
              "./current type=link uname=app gname=www link=releases/103", "./etc type=dir uname=app gname=www",
              "./etc/env type=file uname=app gname=www tags=anyexec optional", "./log type=dir uname=app gname=www",
              "./log/today type=link uname=app gname=www link=../x\\040y",
              "./x type=file uname=app gname=www tags=anyexec", "./y type=file uname=app gname=www size=5 optional"});
}

TEST_CASE("rules that contradict the source or each other are refused") {
  struct Row {
    SourceRules rules;
    const char* why;
  };
  const auto rules = [](auto change) {
    SourceRules made;
    made.mutable_globs = globs({"var/**", "tmp/a*"});
    change(made);
    return made;
  };
  for (const Row& row : std::vector<Row>{
           {rules([](SourceRules& r) {
              r.links = {{"x", "y"}};
            }),
            "--link 'x': something stands there already"},
           {rules([](SourceRules& r) {
              r.links = {{"d", "y"}};
            }),
            "--link 'd': something stands there already"},
           {rules([](SourceRules& r) {
              r.links = {{"n", "y"}, {"n", "z"}};
            }),
            "--link 'n': something stands there"},
           {rules([](SourceRules& r) {
              r.links = {{"var/x", "y"}};
            }),
            "--link 'var/x': a --mutable rule"},
           {rules([](SourceRules& r) {
              r.links = {{"x/y", "z"}};
            }),
            "x/y: lies below 'x', which is no directory"},
           {rules([](SourceRules& r) {
              r.links = {{"../x", "z"}};
            }),
            "not a path below the release's root"},
           {rules([](SourceRules& r) {
              r.links = {{"/x", "z"}};
            }),
            "not a path below the release's root"},
           {rules([](SourceRules& r) { r.generated_paths = {"d"}; }), "--generated 'd': the source has something"},
           {rules([](SourceRules& r) { r.generated_paths = {"l"}; }), "--generated 'l': the source has something"},
           {rules([](SourceRules& r) { r.generated_paths = {"tmp/a1"}; }), "--generated 'tmp/a1': a --mutable rule"},
           {rules([](SourceRules& r) { r.generated_paths = {"l/x"}; }), "l/x: lies below 'l'"},
           {rules([](SourceRules& r) { r.optional_paths = {"var"}; }), "--optional 'var': a --mutable rule"},
           {rules([](SourceRules& r) { r.optional_paths = {"."}; }), "not a path below"},
           {rules([](SourceRules& r) { r.optional_paths = {"x/y"}; }), "x/y: lies below 'x'"},
       }) {
    const auto made = release(row.rules, {dir("."), file("x"), dir("d"), link_to("l", "x")});
    REQUIRE_FALSE(made);
    CHECK_MESSAGE(made.error().message.find(row.why) != std::string::npos, made.error().message);
  }
}

TEST_CASE("what a host will call drift is counted") {
  SourceRules rules;
  ReleaseTree tree(rules);
  SourceItem with_acl = dir("with-acl");
  with_acl.seen.acl = Digest{};
  for (const SourceItem& one :
       {with_acl, file("a", 0666), dir("b", 02755), link_to("c", "d"), file("e", 0664), dir(".", 0777)}) {
    must(tree.add(one));
  }
  CHECK(tree.notes().too_open.count == 4);
  CHECK(tree.notes().too_open.first == std::vector<std::string>{".", "a", "b"});
}
