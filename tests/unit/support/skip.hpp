#pragma once

#include <string>

#include <doctest/doctest.h>

namespace driftd::test {

/// Says that a test could not run on this machine: `return skip("needs root");`
inline void skip(const char* why) { MESSAGE("skipped: ", std::string(why)); }

}  // namespace driftd::test
