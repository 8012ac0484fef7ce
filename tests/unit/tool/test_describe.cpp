#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/tool/describe.hpp"
#include "tests/unit/support/make_release.hpp"

using namespace driftd::manifests;
using namespace driftd::manifests::tool;
using driftd::test::blake3_of;
using driftd::test::dir_entry;
using driftd::test::file_entry;
using driftd::test::link_entry;

namespace {

std::string changes(const Entry& before, const Entry& after) {
  std::string text;
  for (const Change& change : changes_between(before, after)) {
    text += (text.empty() ? "" : ", ") + std::string(change.what) + " " + change.before + " -> " + change.after;
  }
  return text;
}

}  // namespace

TEST_CASE("each attribute in which entries differ is told, old and new") {
  struct Row {
    std::string text;
    Entry before;
    std::function<void(Entry&)> change;
  };
  const Entry file = file_entry("hello");
  const std::vector<Row> rows = {
      {"type file -> dir", file, [](Entry& e) { e = dir_entry(); }},
      {"size 5 -> 6", file, [](Entry& e) { e.size = 6; }},
      {"size 5 -> -", file, [](Entry& e) { e.size.reset(); }},
      {"content ea8f163db386 -> " + to_hex(blake3_of("world")).substr(0, 12), file,
       [](Entry& e) { e.blake3 = blake3_of("world"); }},
      {"sha256 2cf24dba5fb0 -> -", file, [](Entry& e) { e.sha256.reset(); }},
      {"blake3 ea8f163db386 -> -", file, [](Entry& e) { e.blake3.reset(); }},
      {"executable no -> yes", file, [](Entry& e) { e.executable = true; }},
      {"mode - -> 0644", file, [](Entry& e) { e.attributes.mode = 0644; }},
      {"owner - -> root", file, [](Entry& e) { e.attributes.uname = "root"; }},
      {"owner - -> uid 0", file, [](Entry& e) { e.attributes.uid = 0; }},
      {"group - -> gid 33", file, [](Entry& e) { e.attributes.gid = 33; }},
      {"target a\\x1b -> b", link_entry("a\x1b"), [](Entry& e) { e.attributes.link = "b"; }},
      {"capability - -> YWJj", file, [](Entry& e) { e.attributes.capability = "abc"; }},
      {"acl - -> ea8f163db386", file, [](Entry& e) { e.attributes.acl = blake3_of("hello"); }},
      {"optional no -> yes", file, [](Entry& e) { e.optional = true; }},
      {"ignore no -> yes", dir_entry(), [](Entry& e) { e.ignore = true; }},
      {"", file, [](Entry&) {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    Entry after = row.before;
    row.change(after);
    CHECK(changes(row.before, after) == row.text);
    CHECK((row.before == after) == row.text.empty());
  }
}

TEST_CASE("digests by different algorithms are not compared") {
  Entry before = file_entry("hello");
  Entry after = before;
  before.sha256.reset();
  after.blake3.reset();
  CHECK(changes(before, after) == "blake3 ea8f163db386 -> -, sha256 - -> 2cf24dba5fb0");
}
