#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/canonical_line.hpp"
#include "manifests/mtree.hpp"
#include "manifests/mtree_lines.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/manifest_text.hpp"
#include "tests/unit/support/must.hpp"
#include "tests/unit/support/mutations.hpp"
#include "tests/unit/support/random.hpp"
#include "tests/unit/support/random_tree.hpp"
#include "tests/unit/support/reference_reader.hpp"

using driftd::manifests::Entry;
using driftd::manifests::EntryLine;
using driftd::manifests::ManifestBuilder;
using driftd::manifests::read_canonical_line;
using driftd::manifests::read_manifest;
using driftd::manifests::write_manifest;
using driftd::test::for_each_bit_flip;
using driftd::test::for_each_truncation;
using driftd::test::header_of;
using driftd::test::joined;
using driftd::test::kGolden;
using driftd::test::lines_of;
using driftd::test::must;
using driftd::test::Random;
using driftd::test::random_tree;
using driftd::test::recount;
using driftd::test::reference_line;
using driftd::test::reference_read;

namespace {

struct Tally {
  std::size_t taken = 0;
  std::size_t left = 0;  ///< canonical, but not for the fast way to read
  std::size_t refused = 0;
};

/// Holds the fast way against the plain one for a line without its end.
void compare(std::string_view line, Tally& tally) {
  static EntryLine fast;  // one for all lines, as the reader has it: nothing of the line before may show
  std::string path;
  Entry entry;
  const bool canonical = reference_line(line, path, entry);
  const bool taken = read_canonical_line(line, fast);
  CAPTURE(std::string(line));
  if (taken) {
    ++tally.taken;
    REQUIRE(canonical);
    REQUIRE((fast.path == path));
    REQUIRE((fast.entry == entry));
  } else if (canonical) {
    ++tally.left;
    // Such a mode is the builder's to refuse.
    REQUIRE((entry.attributes.capability || entry.attributes.acl || entry.attributes.mode > 07777U));
  } else {
    ++tally.refused;
  }
}

std::string a_manifest(Random& random) {
  ManifestBuilder builder(header_of());
  for (const auto& [path, entry] : listed(random_tree(random))) must(builder.add(path, entry));
  return write_manifest(must(std::move(builder).finish()));
}

/// Entry lines without their ends: of the golden manifest, and of random trees.
std::vector<std::string> some_lines(std::size_t random_trees) {
  Random random(31);
  std::string text(kGolden);
  for (std::size_t i = 0; i < random_trees; ++i) text += a_manifest(random);
  std::vector<std::string> lines = lines_of(text);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with('#'); });
  for (std::string& line : lines) line.pop_back();
  return lines;
}

std::vector<std::string> tokens_of(std::string_view line) {
  std::vector<std::string> tokens(1);
  for (const char c : line) {
    if (c == ' ' || c == ',') tokens.emplace_back();
    tokens.back() += c;
  }
  return tokens;
}

/// Accepts and refuses as the plain reader does, and gives the same manifest. True where accepted.
bool agree(const std::string& text) {
  const auto read = read_manifest(text);
  const auto expected = reference_read(text);
  CAPTURE(text);
  REQUIRE(read.has_value() == expected.has_value());
  if (!read) {
    CHECK(read.error().message.size() > 10);
    return false;
  }
  REQUIRE(write_manifest(read->manifest) == text);
  REQUIRE(write_manifest(*expected) == text);
  return true;
}

}  // namespace

TEST_CASE("what the writer writes is read the fast way, but for rare tags") {
  Tally tally;
  for (const std::string& line : some_lines(300)) compare(line, tally);
  CHECK(tally.refused == 0);
  CHECK(tally.taken > 2000);
  CHECK(tally.left > 100);
}

TEST_CASE("the fast way takes no line that the plain way refuses") {
  const std::vector<std::string> lines = some_lines(12);
  Tally flips;
  Tally cuts;
  Tally moves;
  for (const std::string& line : lines) {
    for_each_bit_flip(line, [&](const std::string& changed, std::size_t) { compare(changed, flips); });
    for_each_truncation(line, [&](std::string_view start) { compare(start, cuts); });
    for (std::size_t from = 0; from < line.size(); ++from) compare(line.substr(from), cuts);
    const std::vector<std::string> tokens = tokens_of(line);
    for (std::size_t one = 0; one < tokens.size(); ++one) {
      for (std::size_t other = 0; other < tokens.size(); ++other) {
        std::vector<std::string> swapped = tokens;
        std::swap(swapped[one], swapped[other]);
        compare(joined(swapped), moves);
        std::vector<std::string> repeated = tokens;
        repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(other), tokens[one]);
        compare(joined(repeated), moves);
      }
      std::vector<std::string> without = tokens;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(one));
      compare(joined(without), moves);
    }
  }
  CHECK(flips.taken > 1000);
  CHECK(flips.refused > 10'000);
  CHECK(cuts.taken > 20);
  CHECK(cuts.refused > 1000);
  CHECK(moves.taken > 100);
  CHECK(moves.refused > 1000);
}

TEST_CASE("the fast way takes no line of words that the plain way refuses") {
  std::vector<std::string> words = {"0", "00", "1", "7", "8",  "a",  "f",  "g",
                                    "=", "+",  "-", ":", "\\", "\n", "\t", "\xff"};
  for (const std::string& line : some_lines(20)) {
    for (const std::string& token : tokens_of(line)) words.push_back(token);
  }
  for (const std::string value : {"0", "00", "01", "1", "+1", "-1", "", "18446744073709551615", "18446744073709551616",
                                  "4294967295", "4294967296", "0755", "755", "00755", "04755", "010000", "0a", "1a"}) {
    for (const std::string key : {" uid=", " gid=", " mode=", " size=", " uname=", " gname="})
      words.push_back(key + value);
  }
  for (const std::string target : {"", ".", "/", "\\000", "a\\000", "\\040", "a b", "\\141", "\\04", "#", "\xff"}) {
    words.push_back(" link=" + target);
  }
  const std::vector<std::string> paths = {
      ".",       "./.",     "./..", "./", "./\\056", "./a", "./a/.",  "./\\000", "./#",  "./\\043", "./\xff",
      "./\\377", "./\\057", "/a",   "a",  "",        "..",  "./a//b", "././a",   "./\\", "./\\40",  "./a\\040"};
  Random random(32);
  Tally tally;
  for (int round = 0; round < 60'000; ++round) {
    // A line with a few words put into it or in the place of others.
    std::vector<std::string> tokens = tokens_of(random.pick(paths) + " type=" + (random.one_in(3) ? "link" : "file"));
    for (std::size_t count = random.below(5); count > 0; --count) tokens.push_back(random.pick(words));
    if (random.one_in(3)) tokens[random.below(tokens.size())] = random.pick(words);
    compare(joined(tokens), tally);
  }
  CHECK(tally.taken > 1000);
  CHECK(tally.refused > 10'000);
}

TEST_CASE("the reader takes and refuses whole texts as the plain one does") {
  Random random(33);
  std::size_t taken = 0;
  std::size_t refused = 0;
  const auto count = [&](const std::string& text) { ++(agree(text) ? taken : refused); };
  for (int round = 0; round < 3;) {
    const std::string text = round == 0 ? std::string(kGolden) : a_manifest(random);
    if (round > 0 && (text.size() < 800 || text.size() > 1600)) continue;
    ++round;
    REQUIRE(agree(text));
    for_each_bit_flip(text, [&](const std::string& changed, std::size_t at) {
      count(changed);
      if (at % 4 == 0) count(recount(changed));
    });
    for_each_truncation(text, [&](std::string_view start) {
      count(std::string(start));
      if (start.ends_with('\n')) count(recount(std::string(start)));
    });
    const std::vector<std::string> lines = lines_of(text);
    for (std::size_t one = 0; one < lines.size(); ++one) {
      for (std::size_t other = one + 1; other < lines.size(); other += 1 + random.below(3)) {
        std::vector<std::string> swapped = lines;
        std::swap(swapped[one], swapped[other]);
        count(recount(joined(swapped)));
      }
    }
  }
  CHECK(taken > 1000);
  CHECK(refused > 10'000);
}
