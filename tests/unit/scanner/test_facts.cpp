#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/facts.hpp"
#include "tests/unit/support/make_release.hpp"

using driftd::scanner::Facts;
using driftd::scanner::FileType;
using driftd::scanner::PackedFacts;
using driftd::test::blake3_of;
using driftd::test::sha256_of;

namespace {

Facts all() {
  Facts facts;
  facts.type = FileType::block_device;
  facts.size = std::numeric_limits<std::uint64_t>::max();
  facts.blake3 = blake3_of("a");
  facts.sha256 = sha256_of("b");
  facts.mode = 07777;
  facts.executable = false;
  facts.owner = "root";
  facts.group = std::string(300, 'g');
  facts.target = std::string("raw \0 \xff", 7);
  facts.capability = std::string(20, '\0');
  facts.acl = blake3_of("c");
  facts.release = "v1";
  return facts;
}

}  // namespace

TEST_CASE("what was packed comes out as it was, whichever facts are there") {
  CHECK(PackedFacts().unpack() == Facts{});
  CHECK(PackedFacts(Facts{}).unpack() == Facts{});
  for (unsigned present = 0; present < (1U << 12U); ++present) {
    Facts facts = all();
    unsigned rest = present;
    const auto keep = [&](auto& fact) {
      if ((rest & 1U) == 0) fact.reset();
      rest >>= 1U;
    };
    keep(facts.type), keep(facts.size), keep(facts.blake3), keep(facts.sha256), keep(facts.mode);
    keep(facts.executable), keep(facts.owner), keep(facts.group), keep(facts.target), keep(facts.capability);
    keep(facts.acl), keep(facts.release);
    const PackedFacts packed(facts);
    if (packed.unpack() != facts) FAIL_CHECK("not as it was: " << present);
    CHECK((packed == PackedFacts()) == (present == 0));
  }
}

TEST_CASE("numbers of every size and every type come out as they were") {
  std::vector<std::uint64_t> numbers{0};
  for (unsigned bit = 0; bit < 64; ++bit) {
    numbers.push_back(std::uint64_t{1} << bit);
    numbers.push_back((std::uint64_t{1} << bit) - 1);
  }
  for (const std::uint64_t number : numbers) {
    Facts facts;
    facts.size = number;
    facts.mode = static_cast<std::uint32_t>(number);
    CHECK(PackedFacts(facts).unpack() == facts);
  }
  for (int type = 0; type <= static_cast<int>(FileType::block_device); ++type) {
    Facts facts;
    facts.type = static_cast<FileType>(type);
    facts.executable = true;
    CHECK(PackedFacts(facts).unpack() == facts);
  }
}

TEST_CASE("different facts stay different when they are packed") {
  Facts owned;
  owned.owner = "";
  Facts grouped;
  grouped.group = "";
  CHECK(PackedFacts(owned) != PackedFacts(grouped));
  CHECK(PackedFacts(owned) != PackedFacts());
  Facts more = all();
  more.acl = blake3_of("d");
  CHECK(PackedFacts(all()) != PackedFacts(more));
  CHECK(PackedFacts(all()) == PackedFacts(all()));
}
