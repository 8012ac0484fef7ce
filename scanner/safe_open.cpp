#include "scanner/safe_open.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>

namespace driftd::scanner {
namespace {

using manifests::UniqueFd;

constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr std::size_t kMaxPathAtOnce = PATH_MAX - 1;

/// O_NOATIME is refused to who neither owns the file nor has CAP_FOWNER; reading goes on without it then.
template <class Open>
int prefer_noatime(Open open) {
  const int fd = open(O_NOATIME);
  return fd < 0 && errno == EPERM ? open(0) : fd;
}

int open_how_beneath(int directory, const char* path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

int open_beneath(int directory, const char* path, int flags) {
  return prefer_noatime([&](int noatime) { return open_how_beneath(directory, path, kFlags | flags | noatime); });
}

}  // namespace

UniqueFd open_directory_beneath(int root, std::string_view path) {
  UniqueFd current;
  // openat2 takes PATH_MAX bytes; deeper trees are entered in several steps, each at a component's end.
  while (path.size() > kMaxPathAtOnce) {
    const std::size_t slash = path.rfind('/', kMaxPathAtOnce);
    if (slash == std::string_view::npos) return errno = ENAMETOOLONG, UniqueFd();
    current =
        UniqueFd(open_beneath(current ? current.get() : root, std::string(path.substr(0, slash)).c_str(), O_DIRECTORY));
    if (!current) return current;
    path.remove_prefix(slash + 1);
  }
  const std::string last = path.empty() ? "." : std::string(path);
  return UniqueFd(open_beneath(current ? current.get() : root, last.c_str(), O_DIRECTORY));
}

UniqueFd open_file_at(int directory, const char* name) { return UniqueFd(open_beneath(directory, name, 0)); }

UniqueFd reach_beneath(int directory, const char* path) {
  return UniqueFd(open_how_beneath(directory, path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace driftd::scanner
