#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/support/make_release.hpp"
#include "tests/unit/support/mutations.hpp"
#include "tests/unit/support/random.hpp"

/// Runs one fuzz target over its corpus and near it, with any compiler. A broken promise aborts.
using driftd::test::Random;

namespace {

constexpr double kMaxSeconds = 2;  // of the processor, with sanitizers and without optimisation

void run(const std::string& input) {
  const std::clock_t start = std::clock();
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kMaxSeconds);
}

std::vector<std::string> corpus() {
  const char* directory = std::getenv("DRIFTD_CORPUS");
  REQUIRE_MESSAGE(directory != nullptr, "DRIFTD_CORPUS must name the directory of the target's corpus");
  std::vector<std::string> inputs;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    inputs.push_back(driftd::test::read_whole(file.path()));
  }
  std::sort(inputs.begin(), inputs.end());
  return inputs;
}

}  // namespace

TEST_CASE("the corpus is taken or refused as promised") {
  const auto inputs = corpus();
  CHECK(inputs.size() >= 3);
  for (const std::string& input : inputs) run(input);
  run("");
}

TEST_CASE("so is what stands near the corpus") {
  const auto inputs = corpus();
  Random random(41);
  for (int round = 0; round < 2000; ++round) {
    std::string input = random.pick(inputs);
    const std::string& other = random.pick(inputs);
    for (std::size_t changes = 1 + random.below(3); changes > 0 && !input.empty(); --changes) {
      const std::size_t at = random.below(input.size());
      switch (random.below(4)) {
        case 0: input[at] = static_cast<char>(static_cast<unsigned char>(input[at]) ^ (1U << random.below(8))); break;
        case 1: input.erase(at, 1 + random.below(8)); break;
        case 2: input.insert(at, random.bytes(1 + random.below(3))); break;
        default: input.insert(at, other.substr(random.below(other.size() + 1), 1 + random.below(40))); break;
      }
    }
    run(input);
  }
}
