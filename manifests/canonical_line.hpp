#pragma once

#include <string>
#include <string_view>

#include "manifests/entry.hpp"

/// The fast way to read an entry line. A million of them are read while somebody waits for `driftd --check`.
namespace driftd::manifests {

/// An entry line taken apart. One object serves line after line without allocating.
struct EntryLine {
  std::string_view path;  ///< as append_entry_line() takes it; into the line, or into `unescaped`
  Entry entry;
  std::string unescaped;  ///< memory for a path that stands with escapes
};

/// True only where `line` (without its line end) is exactly what append_entry_line() writes for what it then stands for
/// in `out`. False says nothing: tags that are rare are left to parse_entry_line(), and so is saying what is wrong.
bool read_canonical_line(std::string_view line, EntryLine& out);

}  // namespace driftd::manifests
