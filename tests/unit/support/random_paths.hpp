#pragma once

#include <cstddef>
#include <random>
#include <string>

#include "manifests/rel_path.hpp"

namespace driftd::test {

/// Short paths of few bytes, one of which sorts before the slash, so that many lie above and beside each other. The
/// same ones each time.
class RandomPaths {
 public:
  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }

  std::string next(std::size_t longest) {
    for (;;) {
      std::string path;
      for (std::size_t size = 1 + below(longest); size > 0; --size) path += "a-/"[below(3)];
      if (manifests::RelPath::parse(path)) return path;
    }
  }

 private:
  std::mt19937 random_{20261130};
};

}  // namespace driftd::test
