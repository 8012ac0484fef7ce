#pragma once

#include <dirent.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string_view>

namespace driftd::scanner {

/// Reads directories by getdents64 into one large buffer that is used again for each. Not thread-safe.
class DirectoryListing {
 public:
  DirectoryListing();

  struct Name {
    std::string_view text;  ///< terminated by a NUL
    std::uint64_t inode;    ///< where a mount covers the name, that of what lies beneath
    unsigned char type;     ///< DT_*
  };

  /// Calls `visit(const Name&)` for every name but `.` and `..`, until a stop is requested; the text is valid during
  /// the call. Returns 0 or errno.
  template <class Visit>
  int for_each(int directory, const std::stop_token& stop, Visit visit) {
    for (;;) {
      const long filled = fill(directory);
      if (filled <= 0) return filled < 0 ? errno : 0;
      for (long at = 0; at < filled;) {
        if (stop.stop_requested()) return 0;
        const auto* entry = reinterpret_cast<const Entry*>(buffer_.get() + at);
        at += entry->length;
        const std::string_view name(entry->name);
        if (name != "." && name != "..") visit(Name{name, entry->inode, entry->type});
      }
    }
  }

 private:
  /// struct linux_dirent64, see getdents64(2).
  struct Entry {
    ino64_t inode;
    off64_t offset;
    unsigned short length;
    unsigned char type;
    char name[1];
  };

  long fill(int directory);

  static constexpr std::size_t kBufferSize = 128 * 1024;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace driftd::scanner
