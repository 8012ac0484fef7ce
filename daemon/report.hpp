#pragma once

#include <cstdint>
#include <string>

#include "daemon/check.hpp"

/// A check's report as text.
namespace driftd::daemon {

enum class Colour { none, ansi };

/// For people: at a glance, at most 20 findings a tree, names made safe, ends with the next command to type.
std::string human_report(const CheckReport& report, Colour colour);

/// One JSON document, version 1, with a line end; pure ASCII controls, and paths that are not UTF-8 in base64 as well.
std::string json_report(const CheckReport& report);

/// `config/settings.py   size 812 -> 816, content`: what is wrong at a path, expected before actual.
std::string describe(const scanner::Finding& finding);

}  // namespace driftd::daemon
