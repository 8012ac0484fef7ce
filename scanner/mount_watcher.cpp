#include "scanner/mount_watcher.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/unique_fd.hpp"

namespace driftd::scanner {
namespace {

using manifests::Result;
using manifests::UniqueFd;
using std::chrono::milliseconds;

/// What starts a container mounts a dozen times.
constexpr milliseconds kGather{100};
/// With thousands of mounts a look at them takes milliseconds, so that nobody can keep this busy by mounting.
constexpr int kRestPerWork = 20;
constexpr std::size_t kChunk = 64 * 1024;

std::vector<std::string_view> sorted_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// The next field of a line, which is taken from it.
std::string_view take_field(std::string_view& line) {
  const std::string_view field = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(field.size() + 1, line.size()));
  return field;
}

/// The kernel writes what would end a field as a backslash and three octal digits.
std::string unescaped(std::string_view field) {
  std::string text;
  text.reserve(field.size());
  const auto digit = [&](std::size_t at) { return static_cast<unsigned>(field[at] - '0') & 7U; };
  for (std::size_t at = 0; at < field.size(); ++at) {
    if (field[at] == '\\' && at + 3 < field.size()) {
      text += static_cast<char>(digit(at + 1) << 6U | digit(at + 2) << 3U | digit(at + 3));
      at += 3;
    } else {
      text += field[at];
    }
  }
  return text;
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS ...`
void note(std::string_view line, MountChanges& changes) {
  const std::string_view id = take_field(line);
  for (int i = 0; i < 3; ++i) take_field(line);
  changes.mounts.insert(std::strtoull(std::string(id).c_str(), nullptr, 10));
  changes.points.insert(unescaped(take_field(line)));
}

class MountInfoWatcher final : public MountWatcher {
 public:
  MountInfoWatcher(UniqueFd mounts, UniqueFd stop, std::function<void(MountChanges)> on_change)
      : mounts_(std::move(mounts)), stop_(std::move(stop)), on_change_(std::move(on_change)) {}
  MountInfoWatcher(const MountInfoWatcher&) = delete;
  MountInfoWatcher& operator=(const MountInfoWatcher&) = delete;

  ~MountInfoWatcher() override {
    (void)!::eventfd_write(stop_.get(), 1);
    if (thread_.joinable()) thread_.join();
  }

  Result<void> start() {
    if (!read_all(table_)) return manifests::system_error("/proc/self/mountinfo", errno);
    thread_ = std::thread([this] { watch(); });
    return {};
  }

 private:
  void watch() {
    pollfd wait[2] = {{mounts_.get(), POLLPRI, 0}, {stop_.get(), POLLIN, 0}};
    for (;;) {
      if (::poll(wait, 2, -1) < 0) {
        if (errno == EINTR) continue;
        return fail(errno);
      }
      if (wait[1].revents != 0) return;
      if (is_stopped_within(kGather)) return;
      const auto began = std::chrono::steady_clock::now();
      std::string table;
      if (!read_all(table)) return fail(errno);
      on_change_(compare_mounts(table_, table));
      table_ = std::move(table);
      const auto took = std::chrono::steady_clock::now() - began;
      if (is_stopped_within(std::chrono::duration_cast<milliseconds>(took * kRestPerWork))) return;
    }
  }

  bool is_stopped_within(milliseconds time) {
    pollfd wait{stop_.get(), POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(time.count())) > 0;
  }

  void fail(int error) {
    MountChanges changes;
    changes.failure = std::string("/proc/self/mountinfo: ") + std::strerror(error);
    on_change_(std::move(changes));
  }

  /// What changes while it is read is told by the next poll.
  bool read_all(std::string& text) const {
    if (::lseek(mounts_.get(), 0, SEEK_SET) < 0) return false;
    for (;;) {
      const std::size_t before = text.size();
      text.resize(before + kChunk);
      const ssize_t got = ::read(mounts_.get(), text.data() + before, kChunk);
      text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return got == 0;
    }
  }

  UniqueFd mounts_;
  UniqueFd stop_;
  std::function<void(MountChanges)> on_change_;
  std::string table_;  ///< as last read
  std::thread thread_;
};

}  // namespace

MountChanges compare_mounts(std::string_view before, std::string_view after) {
  const auto old_lines = sorted_lines(before);
  const auto new_lines = sorted_lines(after);
  std::vector<std::string_view> different;
  std::set_symmetric_difference(old_lines.begin(), old_lines.end(), new_lines.begin(), new_lines.end(),
                                std::back_inserter(different));
  MountChanges changes;
  for (const std::string_view line : different) note(line, changes);
  return changes;
}

Result<std::unique_ptr<MountWatcher>> MountWatcher::start(std::function<void(MountChanges)> on_change) {
  UniqueFd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts) return manifests::system_error("/proc/self/mountinfo", errno);
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return manifests::system_error("eventfd", errno);
  auto watcher = std::make_unique<MountInfoWatcher>(std::move(mounts), std::move(stop), std::move(on_change));
  if (auto started = watcher->start(); !started) return started.error();
  return std::unique_ptr<MountWatcher>(std::move(watcher));
}

}  // namespace driftd::scanner
