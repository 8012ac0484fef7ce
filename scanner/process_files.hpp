#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "manifests/unique_fd.hpp"

/// Files below an open directory of proc(5).
namespace driftd::scanner {

manifests::UniqueFd open_at(int directory, const char* name);

/// A file about one process, which the kernel gives whole to a single read; nothing where it cannot be read.
std::optional<std::string> read_at(int directory, const char* name);

/// A table, of which a read gives a piece; nothing where it cannot be read, or is longer than `limit`.
std::optional<std::string> read_table_at(int directory, const char* name, std::size_t limit);

/// Empty where there is none.
std::string link_at(int directory, const char* name);

}  // namespace driftd::scanner
