#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/source_rules.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/tool/release_lines.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::check_error;
using driftd::test::dir;
using driftd::test::file;
using driftd::test::globs;
using driftd::test::line;
using driftd::test::link_to;
using driftd::test::must;

namespace {

std::string where(const Place& placed) {
  switch (placed.where) {
    case Place::Where::inside: return placed.path;
    case Place::Where::stripped: return "(stripped)";
    case Place::Where::above: return "(above)";
    case Place::Where::outside: return "(outside)";
  }
  return {};
}

}  // namespace

TEST_CASE("stripping and the subdirectory decide where a path stands") {
  struct Row {
    std::size_t strip;
    const char* subdir;
    const char* path;
    const char* stands;
  };
  for (const Row& row : {
           Row{0, "", ".", "."},
           Row{0, "", "a/b", "a/b"},
           Row{1, "", ".", "(stripped)"},
           Row{1, "", "a", "(stripped)"},
           Row{1, "", "a/b", "b"},
           Row{2, "", "a/b", "(stripped)"},
           Row{2, "", "a/b/c/d", "c/d"},
           Row{0, "srv/app", ".", "(above)"},
           Row{0, "srv/app", "srv", "(above)"},
           Row{0, "srv/app", "srv/app", "."},
           Row{0, "srv/app", "srv/app/x", "x"},
           Row{0, "srv/app", "srv/apple", "(outside)"},
           Row{0, "srv/app", "srv/ap", "(outside)"},
           Row{0, "srv/app", "sr", "(outside)"},
           Row{0, "srv/app", "etc", "(outside)"},
           Row{1, "srv", "top", "(stripped)"},
           Row{1, "srv", "top/srv", "."},
           Row{1, "srv", "top/srv/x", "x"},
           Row{1, "srv", "srv/x", "(outside)"},
       }) {
    CAPTURE(row.strip);
    CAPTURE(row.subdir);
    CAPTURE(row.path);
    SourceRules rules;
    rules.strip_components = row.strip;
    rules.subdir = row.subdir;
    CHECK(where(place(rules, row.path)) == row.stands);
  }
}

TEST_CASE("a source looks no further than the rules are interested") {
  SourceRules rules;
  rules.strip_components = 1;
  rules.subdir = "app";
  rules.mutable_globs = globs({"var/cache/**", "**/__pycache__/**", "log/*.log"});
  rules.generated_paths = {"etc/local.conf"};
  struct Row {
    const char* path;
    Interest interest;
  };
  for (const Row& row : {
           Row{".", Interest::below},
           Row{"v1", Interest::below},
           Row{"v1/doc", Interest::none},
           Row{"v1/app", Interest::content},
           Row{"v1/app/x", Interest::content},
           Row{"v1/app/var/cache", Interest::attributes},
           Row{"v1/app/var/cache/x", Interest::none},
           Row{"v1/app/lib/__pycache__", Interest::attributes},
           Row{"v1/app/lib/__pycache__/x", Interest::attributes},
           Row{"v1/app/log/a.log", Interest::attributes},
           Row{"v1/app/log", Interest::content},
           Row{"v1/app/etc/local.conf", Interest::attributes},
       }) {
    CAPTURE(row.path);
    CHECK(interest_in(rules, row.path) == row.interest);
  }
}

TEST_CASE("the mode is recorded as a whole, by its execute bit, or not at all") {
  struct Row {
    ModePolicy policy;
    SourceItem item;
    const char* line;
  };
  for (const Row& row : std::vector<Row>{
           {ModePolicy::exec, file("x"), "./x type=file size=5"},
           {ModePolicy::exec, file("x", 0755), "./x type=file size=5 tags=exec"},
           {ModePolicy::exec, file("x", 0611), "./x type=file size=5"},
           {ModePolicy::exec, file("x", 0666), "./x type=file size=5"},
           {ModePolicy::exec, dir("x", 02775), "./x type=dir"},
           {ModePolicy::exec, link_to("x", "a b"), "./x type=link link=a\\040b"},
           {ModePolicy::none, file("x", 0755), "./x type=file size=5 tags=anyexec"},
           {ModePolicy::none, file("x", 0644), "./x type=file size=5 tags=anyexec"},
           {ModePolicy::none, dir("x"), "./x type=dir"},
           {ModePolicy::exact, file("x", 04755), "./x type=file mode=04755 size=5"},
           {ModePolicy::exact, dir("x", 01777), "./x type=dir mode=01777"},
           {ModePolicy::exact, link_to("x", "y"), "./x type=link link=y"},
       }) {
    SourceRules rules;
    rules.mode = row.policy;
    CHECK(line("x", must(make_entry(rules, "x", row.item))) == row.line);
  }
}

TEST_CASE("what no host would accept is refused when it is built") {
  for (const ModePolicy policy : {ModePolicy::exec, ModePolicy::none}) {
    SourceRules rules;
    rules.mode = policy;
    check_error(make_entry(rules, "bin/su", file("bin/su", 04755)), ErrorCode::format, "bin/su: is setuid or setgid");
    check_error(make_entry(rules, "bin/wall", file("bin/wall", 02755)), ErrorCode::format, "--mode exact");
  }
  using driftd::scanner::FileType;
  for (const FileType type : {FileType::fifo, FileType::socket, FileType::character_device, FileType::block_device}) {
    check_error(make_entry({}, "dev/x", driftd::test::item("dev/x", type, 0644)), ErrorCode::format,
                "dev/x: a " + std::string(to_string(type)) + " cannot be part of a release");
  }
}

TEST_CASE("owners are the source's, given ones, or nobody's") {
  SourceItem nameless = file("x");
  nameless.uname.reset();
  nameless.gname.reset();
  struct Row {
    const char* owner;
    SourceItem item;
    const char* line;
  };
  for (const Row& row : std::vector<Row>{
           {"none", file("x"), "./x type=file size=5"},
           {"source", file("x"), "./x type=file uname=app gname=www size=5"},
           {"source", nameless, "./x type=file uid=1000 gid=33 size=5"},
           {"root:www-data", file("x"), "./x type=file uname=root gname=www-data size=5"},
           {"0:www", file("x"), "./x type=file uid=0 gname=www size=5"},
           {"root:0", link_to("x", "y"), "./x type=link uname=root gid=0 link=y"},
       }) {
    CAPTURE(row.owner);
    SourceRules rules;
    rules.owner = must(parse_owner(row.owner));
    CHECK(line("x", must(make_entry(rules, "x", row.item))) == row.line);
  }
  for (const char* wrong : {"", "root", ":", "root:", ":root", "a:b:c", "a b:c", "Source", "99999999999:x y"}) {
    CAPTURE(wrong);
    check_error(parse_owner(wrong), ErrorCode::usage, "--owner");
  }
}

TEST_CASE("a capability is always recorded, an access list with the mode it belongs to") {
  SourceItem ping = file("ping", 0755);
  ping.seen.capability = std::string("\x01\0\0\x02", 4);
  ping.seen.acl = Digest{};
  const std::string acl = "acl:" + std::string(64, '0');
  SourceRules rules;
  CHECK(line("ping", must(make_entry(rules, "ping", ping))) == "./ping type=file size=5 tags=exec,cap:AQAAAg");
  rules.mode = ModePolicy::exact;
  CHECK(line("ping", must(make_entry(rules, "ping", ping))) ==
        "./ping type=file mode=0755 size=5 tags=cap:AQAAAg," + acl);
}
