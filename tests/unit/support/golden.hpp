#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

namespace driftd::test {

/// Fails unless `text` is what the file of that name in $DRIFTD_GOLDEN holds. DRIFTD_ACCEPT=1 makes it so: look at
/// what version control shows then.
inline void check_golden(const std::string& name, const std::string& text) {
  const char* directory = std::getenv("DRIFTD_GOLDEN");
  REQUIRE_MESSAGE(directory != nullptr, "DRIFTD_GOLDEN names the directory of golden files; meson test sets it");
  const std::string path = std::string(directory) + "/" + name;
  if (const char* accept = std::getenv("DRIFTD_ACCEPT"); accept != nullptr && std::string(accept) == "1") {
    std::ofstream(path, std::ios::binary) << text;
    MESSAGE("wrote ", path);
    return;
  }
  std::ifstream stream(path, std::ios::binary);
  REQUIRE_MESSAGE(stream.good(), "cannot read ", path);
  const std::string golden(std::istreambuf_iterator<char>(stream), {});
  std::istringstream wanted_lines(golden);
  std::istringstream lines(text);
  std::string wanted;
  std::string line;
  for (int number = 1;; ++number) {
    const bool more_wanted = static_cast<bool>(std::getline(wanted_lines, wanted));
    const bool more = static_cast<bool>(std::getline(lines, line));
    if (!more_wanted && !more) break;
    if (more_wanted != more || wanted != line) {
      FAIL_CHECK(path, ":", number, "\n  wanted: ", more_wanted ? wanted : "the end",
                 "\n  got:    ", more ? line : "the end");
      return;
    }
  }
  CHECK(golden == text);
}

inline std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

}  // namespace driftd::test
