#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/glob.hpp"
#include "manifests/octal.hpp"
#include "tests/unit/support/check_error.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/random.hpp"

using driftd::manifests::append_octal;
using driftd::manifests::ErrorCode;
using driftd::manifests::Glob;
using driftd::test::check_error;
using driftd::test::must;
using driftd::test::Random;

namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> components(1);
  for (const char c : path) {
    if (c == '/') {
      components.emplace_back();
    } else {
      components.back() += c;
    }
  }
  return components;
}

/// The rules of `*` as they are told, tried out one by one. `\052` is a literal star.
bool naive_component(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() == '*') {
    for (std::size_t taken = 0; taken <= name.size(); ++taken) {
      if (naive_component(pattern.substr(1), name.substr(taken))) return true;
    }
    return false;
  }
  const bool is_star = pattern.starts_with("\\052");
  return !name.empty() && name.front() == (is_star ? '*' : pattern.front()) &&
         naive_component(pattern.substr(is_star ? 4 : 1), name.substr(1));
}

using Names = std::vector<std::string>;

bool naive_path(const Names& pattern, std::size_t at, const Names& path, std::size_t from) {
  if (at == pattern.size()) return from == path.size();
  if (pattern[at] == "**") {
    for (std::size_t next = from; next <= path.size(); ++next) {
      if (naive_path(pattern, at + 1, path, next)) return true;
    }
    return false;
  }
  return from < path.size() && naive_component(pattern[at], path[from]) && naive_path(pattern, at + 1, path, from + 1);
}

std::string random_pattern(Random& random) {
  std::string pattern;
  for (std::size_t components = 1 + random.below(5); components > 0; --components) {
    if (random.one_in(3)) {
      pattern += "**";
    } else {
      for (std::size_t parts = 1 + random.below(5); parts > 0; --parts) {
        switch (random.below(7)) {
          case 0:
          case 1:
            if (!pattern.ends_with('*')) pattern += '*';
            break;
          case 2: pattern += "\\052"; break;
          default: pattern += random.from("ab", 1); break;
        }
      }
    }
    if (components > 1) pattern += '/';
  }
  return pattern;
}

/// A path that the pattern was made for, or nearly so.
std::string random_path(Random& random, const Names& pattern) {
  std::string path;
  const auto add = [&](const std::string& component) { path += path.empty() ? component : "/" + component; };
  const auto any = [&] { return random.from("aab*", 1 + random.below(3)); };
  for (const std::string& component : pattern) {
    if (component == "**") {
      for (std::size_t count = random.below(3); count > 0; --count) add(any());
      continue;
    }
    std::string name;
    for (std::size_t at = 0; at < component.size(); ++at) {
      if (component[at] == '*') {
        name += random.from("ab*", random.below(3));
      } else if (component[at] == '\\') {
        name += '*';
        at += 3;
      } else {
        name += component[at];
      }
    }
    add(name.empty() ? "a" : name);
  }
  if (path.empty()) path = any();
  if (random.one_in(3)) path[random.below(path.size())] = random.pick(std::string_view("ab*"));
  if (random.one_in(4)) add(any());
  if (random.one_in(8)) path = any() + "/" + path;
  return path;
}

std::string repeat(std::string_view text, std::size_t times) {
  std::string out;
  for (; times > 0; --times) out += text;
  return out;
}

}  // namespace

TEST_CASE("a glob matches what its rules say") {
  struct Row {
    std::string glob;
    std::string path;
    bool matches;
  };
  const std::vector<Row> table = {
      {"var/cache/**", "var/cache/a", true},
      {"var/cache/**", "var/cache/a/b/c", true},
      {"var/cache/**", "var/cache", true},  // ** stands for zero components as well
      {"var/cache/**", "var", false},
      {"var/cache/**", "var/cachet/a", false},
      {"var/cache/**", "srv/var/cache/a", false},
      {"**/__pycache__/**", "__pycache__", true},
      {"**/__pycache__/**", "__pycache__/a.pyc", true},
      {"**/__pycache__/**", "app/lib/__pycache__/a.pyc", true},
      {"**/__pycache__/**", "app/lib/__pycache__.py", false},
      {"logs/*.log", "logs/app.log", true},
      {"logs/*.log", "logs/.log", true},
      {"logs/*.log", "logs/app.log.1", false},
      {"logs/*.log", "logs/old/app.log", false},  // * stays within its component
      {"logs/*", "logs/app", true},
      {"logs/*", "logs", false},
      {"logs/*", "logs/a/b", false},
      {"*/logs", "app/logs", true},
      {"*/logs", "logs", false},
      {"**/logs", "logs", true},
      {"**/logs", "a/b/logs", true},
      {"**/logs", "a/b/logs/c", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/x/b/y", false},
      {"a/**/**/b", "a/b", true},
      {"a/*b*c*/d", "a/xbxcx/d", true},
      {"a/*b*c*/d", "a/bc/d", true},
      {"a/*b*c*/d", "a/cb/d", false},
      {"**/a/**/a/b", "a/a/a/b", true},
      {"exact/path", "exact/path", true},
      {"exact/path", "exact/path/below", false},
      {"exact/path", "exact", false},
      {"a b/c", "a b/c", true},
      {"a\\040b", "a b", true},
      {"a\\052b", "a*b", true},
      {"a\\052b", "axb", false},
      {"a/\\077", "a/?", true},
      {"a/\\133x]", "a/[x]", true},
      {"a/\\377", "a/\xff", true},
      {"a/*", "a/\xff\n", true},
      {"a/*", std::string("a/") + std::string(255, 'x'), true},
      {"\\056a/b", ".a/b", true},
      {"a/...", "a/...", true},
      {"A/b", "a/b", false},
  };
  for (const Row& row : table) {
    CAPTURE(row.glob);
    CAPTURE(row.path);
    const Glob glob = must(Glob::parse(row.glob));
    CHECK(glob.text() == row.glob);
    CHECK(glob.matches(row.path) == row.matches);
  }
}

TEST_CASE("a glob that says nothing clear is refused") {
  struct Row {
    std::string text;
    const char* why;
  };
  const std::vector<Row> table = {
      {"", "components must be names"},
      {"/", "no final slash"},
      {"/var/cache", "components must be names"},
      {"var/cache/", "no final slash; all below a directory is var/cache/**"},
      {"var//cache", "components must be names"},
      {"var/./cache", "components must be names"},
      {"var/../cache", "components must be names"},
      {".", "components must be names"},
      {"..", "components must be names"},
      {"\\056", "components must be names"},
      {"a/\\056\\056", "components must be names"},
      {"*", "without a wildcard"},
      {"**", "without a wildcard"},
      {"**/*", "without a wildcard"},
      {"*.pyc", "without a wildcard"},
      {"**/*.pyc", "without a wildcard"},
      {"*a/b*/**", "without a wildcard"},
      {"a/b**", "** must be a whole component"},
      {"a/**b", "** must be a whole component"},
      {"a/***", "** must be a whole component"},
      {"a/?", "only * and ** are wildcards"},
      {"a/[bc]", "only * and ** are wildcards"},
      {"a\\", "three octal digits"},
      {"a\\12", "three octal digits"},
      {"a\\400", "three octal digits"},
      {"a\\1*", "three octal digits"},
      {"a\\*b", "three octal digits"},
      {"a\\\\b", "three octal digits"},
      {"a\\057b", "escaped slash or NUL"},
      {"a\\000b", "escaped slash or NUL"},
      {"a/*\\000", "escaped slash or NUL"},
      {"a/b\nc", "printable ASCII"},
      {"a/b\x7f", "printable ASCII"},
      {"a/caf\xc3\xa9", "printable ASCII"},
      {std::string("a/\0b", 4), "printable ASCII"},
      {"a/" + std::string(1023, 'b'), "longer than 1024 bytes"},
  };
  for (const Row& row : table) {
    CAPTURE(row.text);
    check_error(Glob::parse(row.text), ErrorCode::format, row.why);
  }
  CHECK(Glob::parse("a/" + std::string(1022, 'b')));
}

TEST_CASE("only LITERAL/** covers a whole directory") {
  struct Row {
    std::string text;
    std::optional<std::string> directory;
  };
  const std::vector<Row> table = {
      {"var/cache/**", "var/cache"},   {"var/**", "var"},
      {"a\\040b/c\\052/**", "a b/c*"}, {"var/cache", std::nullopt},
      {"var/cache/*", std::nullopt},   {"var/*/cache/**", std::nullopt},
      {"var/c*/**", std::nullopt},     {"**/cache/**", std::nullopt},
      {"var/**/cache", std::nullopt},  {"var/**/**", std::nullopt},
  };
  for (const Row& row : table) {
    CAPTURE(row.text);
    CHECK((must(Glob::parse(row.text)).literal_directory() == row.directory));
  }
}

TEST_CASE("matching agrees with trying out every way") {
  Random random(8);
  int globs = 0;
  int matches = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::string pattern = random_pattern(random);
    const auto glob = Glob::parse(pattern);
    if (!glob) {
      check_error(glob, ErrorCode::format, "without a wildcard");
      continue;
    }
    ++globs;
    for (int tries = 0; tries < 10; ++tries) {
      const std::string path = random_path(random, split(pattern));
      CAPTURE(pattern);
      CAPTURE(path);
      const bool expected = naive_path(split(pattern), 0, split(path), 0);
      CHECK(glob->matches(path) == expected);
      matches += expected ? 1 : 0;
    }
  }
  // Both answers have to be frequent for this to say anything.
  CHECK(globs > 2000);
  CHECK(matches > 2000);
  CHECK(globs * 10 - matches > 2000);
}

TEST_CASE("an escaped path is a glob for itself and nothing else") {
  Random random(9);
  for (int round = 0; round < 1000; ++round) {
    std::string path = random.bytes(1 + random.below(20));
    for (char& c : path) {
      if (c == '\0' || c == '/') c = '*';
    }
    path = "d/" + path;
    if (path == "d/." || path == "d/..") continue;
    std::string text;
    append_octal(text, path);
    CAPTURE(text);
    const Glob glob = must(Glob::parse(text));
    CHECK(glob.matches(path));
    std::string other = path;
    other[2 + random.below(path.size() - 2)] ^= 1;
    CHECK_FALSE(glob.matches(other));
    CHECK_FALSE(glob.matches(path + "x"));
  }
}

TEST_CASE("no glob takes long") {
  struct Row {
    std::string name;
    std::string glob;
    std::string path;
    bool matches;
  };
  const std::string longest = std::string(255, 'a');
  const std::vector<Row> table = {
      {"stars within a component", "d/" + repeat("a*", 500) + "b", "d/" + longest, false},
      {"stars that match late", "d/" + repeat("*a", 255) + "*", "d/" + longest, true},
      {"** and components", repeat("**/a/", 200) + "b", repeat("a/", 2000) + "a", false},
      {"** and components that match", repeat("**/a/", 200) + "a", repeat("a/", 2000) + "a", true},
      {"both", "d/" + repeat("**/*a*a*a*b/", 80) + "c", "d/" + repeat(std::string(250, 'a') + "/", 15) + "a", false},
  };
  const std::clock_t start = std::clock();
  for (const Row& row : table) {
    CAPTURE(row.name);
    CHECK(must(Glob::parse(row.glob)).matches(row.path) == row.matches);
  }
  // Each is below some million steps, in CPU time; trying out every way would take longer than the universe is old, and
  // one more power of the length more than this limit.
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 10.0);
}
