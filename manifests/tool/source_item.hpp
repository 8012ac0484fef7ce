#pragma once

#include <optional>
#include <string>

#include "scanner/observed.hpp"

namespace driftd::manifests::tool {

/// One path of a source as it stands there, before any rule. What kind of source it was shows no more.
struct SourceItem {
  std::string path;                  ///< raw bytes below the source's root, `.` for the root itself
  scanner::Observed seen;            ///< the digests are absent where `interest_in` asked for none
  std::optional<std::string> uname;  ///< as the source names the owner; absent: by number only
  std::optional<std::string> gname;
};

}  // namespace driftd::manifests::tool
