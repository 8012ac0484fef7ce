#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/archive_members.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/tool/release_lines.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::check_error;
using driftd::test::dir;
using driftd::test::file;
using driftd::test::link_to;
using driftd::test::must;

TEST_CASE("names of members become paths below the root") {
  struct Row {
    const char* name;
    const char* path;
  };
  for (const Row& row :
       {Row{"a", "a"}, Row{"./a", "a"}, Row{"a/b/", "a/b"}, Row{"a//b/./c", "a/b/c"}, Row{".", "."}, Row{"./", "."},
        Row{"././/", "."}, Row{"...", "..."}, Row{"a/.b", "a/.b"}, Row{"a\\b", "a\\b"}, Row{"\n \x1b", "\n \x1b"}}) {
    CAPTURE(row.name);
    CHECK(must(member_path(row.name)) == row.path);
  }
}

TEST_CASE("names that lead elsewhere or cannot be listed are refused") {
  const std::string longest(255, 'x');
  std::string deep = longest;
  while (deep.size() < 4096) deep += "/" + longest;
  struct Row {
    std::string name;
    const char* why;
  };
  for (const Row& row : std::vector<Row>{{"", "an entry has no name"},
                                         {"/", "absolute"},
                                         {"/etc/passwd", "'/etc/passwd': an absolute path"},
                                         {"//a", "absolute"},
                                         {"..", "'..' leads out"},
                                         {"../a", "'..' leads out"},
                                         {"a/../b", "'a/../b': '..' leads out"},
                                         {"a/..", "'..' leads out"},
                                         {"./..//", "'..' leads out"},
                                         {std::string("a\0b", 3), "holds a NUL"},
                                         {longest + "x", "longer than 255 bytes"},
                                         {deep, "longer than 4096 bytes"},
                                         {"../\x1b[2J\n", "'../\\x1b[2J\\x0a': '..'"}}) {
    check_error(member_path(row.name), ErrorCode::format, row.why);
  }
  CHECK(must(member_path(deep.substr(0, 4095))).size() == 4095);
}

TEST_CASE("an archive that could be unpacked in more than one way is refused") {
  struct Row {
    std::vector<SourceItem> items;
    const char* why;  ///< of the last item; null: taken
  };
  for (const Row& row : std::vector<Row>{
           {{file("a"), file("a")}, "'a': stands twice"},
           {{file("a"), dir("a")}, "'a': stands twice"},
           {{dir("a"), file("a")}, "'a': stands twice"},
           {{dir("a"), link_to("a", "/etc")}, "'a': stands twice"},
           {{link_to("a", "/etc"), dir("a")}, "'a': stands twice"},
           {{file("a/b"), file("a")}, "'a': stands twice"},  // the directory a is there by then, listed or not
           {{dir("a"), file("a/b"), dir("a")}, nullptr},
           {{dir("."), dir(".")}, nullptr},
           {{link_to(".", "/etc")}, "'.': the archive's root is no directory"},
           {{file("a/b"), dir("a")}, nullptr},
           {{link_to("a", "/etc"), file("a/passwd")}, "'a/passwd': lies below 'a', which is a symlink"},
           {{link_to("a", "b"), dir("b"), file("a/b/c/d")}, "'a/b/c/d': lies below 'a'"},
           {{file("a"), file("a/b")}, "'a/b': lies below 'a', which is a file"},
           {{link_to("a", "b"), file("ab")}, nullptr},
       }) {
    ArchiveMembers members;
    for (std::size_t i = 0; i + 1 < row.items.size(); ++i) must(members.add(row.items[i]));
    const auto added = members.add(row.items.back());
    if (row.why == nullptr) {
      CHECK(added);
    } else {
      check_error(added, ErrorCode::format, row.why);
    }
  }
}

TEST_CASE("a hard link stands for an earlier file and for nothing else") {
  ArchiveMembers members;
  must(members.add(file("d/a", 0755)));
  must(members.add(link_to("l", "d/a")));
  CHECK(must(members.linked_file("d/a"))->seen.mode == 0755);
  check_error(members.linked_file("b"), ErrorCode::format, "not in the archive before the link");
  check_error(members.linked_file("d"), ErrorCode::format, "'d': a hard link to it, but it is a directory");
  check_error(members.linked_file("l"), ErrorCode::format, "'l': a hard link to it, but it is a symlink");
}
