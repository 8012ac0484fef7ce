#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "manifests/error.hpp"
#include "manifests/tool/source_item.hpp"

/// What an archive may and may not hold as a whole, whatever its format. An archive that an unpacker could take in more
/// than one way, or that reaches outside of where it is unpacked, is refused. No libarchive here.
namespace driftd::manifests::tool {

/// A member's name as a path below the archive's root, `.` for the root. `./`, `//` and a final slash are normal.
/// Refused: absolute, `..`, NUL, longer than a manifest can name.
Result<std::string> member_path(std::string_view name);

/// All members up to now.
class ArchiveMembers {
 public:
  /// Refused: a path that was there before (but a directory may come again), one below something that is no
  /// directory, and more than a manifest can list.
  Result<void> add(const SourceItem& item);

  /// The earlier regular file that a hard link stands for. Refused: anything else.
  [[nodiscard]] Result<const SourceItem*> linked_file(const std::string& path) const;

 private:
  struct Member {
    scanner::FileType type = scanner::FileType::directory;
    std::unique_ptr<SourceItem> file;  ///< for regular files, which hard links may name
  };

  std::unordered_map<std::string, Member> members_;
};

}  // namespace driftd::manifests::tool
