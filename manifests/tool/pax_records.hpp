#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/tool/sparse_map.hpp"

/// The extended headers of POSIX pax, as far as unpackers could disagree about them. pax(1) defines the records; the
/// keys GNU.sparse.* are of GNU tar's manual, "Storing Sparse Files". Pure.
namespace driftd::manifests::tool {

/// What an extended header says of the member after it.
struct PaxMember {
  std::string name;                   ///< empty where the plain header names it
  std::optional<std::uint64_t> size;  ///< of what is stored
  enum class Sparse {
    no,
    here,     ///< `map` is all of it: GNU.sparse 0.0 and 0.1
    content,  ///< the map begins the content: GNU.sparse 1.0
  };
  Sparse sparse = Sparse::no;
  std::uint64_t real_size = 0;  ///< of a sparse file
  SparseMap map;
};

/// The records of a header of type `x`. Refused: malformed ones, empty or repeated names and sizes, NULs in names,
/// sparse files in a form that some unpackers do not know.
Result<PaxMember> parse_pax_member(std::string_view records);

/// The records of a header of type `g`, which are for all members after it, to some unpackers only. Refused: all that
/// change what is unpacked.
Result<void> check_pax_globals(std::string_view records);

}  // namespace driftd::manifests::tool
