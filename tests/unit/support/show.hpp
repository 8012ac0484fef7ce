#pragma once

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "manifests/escape.hpp"

/// How doctest shows a list of texts that differs.
template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& lines) {
    std::string all;
    for (const std::string& line : lines) all += "\n    " + driftd::manifests::escape(line);
    return all.c_str();
  }
};
