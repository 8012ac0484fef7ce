#include "scanner/process_user.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "scanner/process_files.hpp"

namespace driftd::scanner {
namespace {

constexpr std::size_t kMostThreads = 64;

/// Whether all threads have this user alone.
bool have_same_user(int directory, std::uint32_t uid) {
  const int tasks = ::openat(directory, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = tasks >= 0 ? ::fdopendir(tasks) : nullptr;
  if (listing == nullptr) {
    if (tasks >= 0) ::close(tasks);
    return false;
  }
  bool is_same = true;
  while (const dirent* entry = is_same ? ::readdir(listing) : nullptr) {
    if (entry->d_name[0] == '.') continue;
    const auto text = read_at(tasks, (std::string(entry->d_name) + "/status").c_str());
    const auto status = text ? parse_process_status(*text) : std::nullopt;
    // Those that have ended meanwhile have none.
    is_same = !status || (status->effective_uid == uid && !status->has_several_users);
  }
  ::closedir(listing);
  return is_same;
}

/// What the vector says may be a lie, so nobody is named by it. A zombie has none.
bool began_as_another(int directory, std::uint32_t uid, const std::string& own_users) {
  const auto first = parse_first_uid(read_at(directory, "auxv").value_or(""));
  return first && (*first != uid || read_at(directory, "uid_map") != own_users);
}

}  // namespace

ProcessUser user_of(int directory, const ProcessStatus& status, const std::string& own_users) {
  const std::uint32_t uid = status.effective_uid;
  // A program that is executed next may be set-user-ID, and root's was not who wrote. Of threads, as a file server has
  // them for its users, any may have written.
  const bool are_many = status.threads > kMostThreads;
  const bool are_several =
      status.has_several_users || (status.threads > 1 && !are_many && !have_same_user(directory, uid));
  if (are_several) return {};
  return {uid, are_many || began_as_another(directory, uid, own_users)};
}

}  // namespace driftd::scanner
