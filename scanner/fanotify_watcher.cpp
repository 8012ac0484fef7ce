#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "manifests/unique_fd.hpp"
#include "scanner/fanotify_mark.hpp"
#include "scanner/watcher.hpp"

namespace driftd::scanner {
namespace {

using manifests::Result;
using manifests::UniqueFd;

/// MODIFY beside CLOSE_WRITE: truncate(2) by path gives only the former, a descriptor held open gives the latter late.
constexpr std::uint64_t kMask =
    FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ONDIR;
/// Reading in batches costs a third of reading each event at once.
constexpr int kPauseMilliseconds = 5;
/// Once so many batches have come one after the other, each takes longer, since it costs something for each tree.
/// Unless they are so large that the kernel's queue could overflow.
constexpr int kManyBatches = 20;
constexpr std::uint64_t kLargeBatch = 4000;
constexpr int kLongPauseMilliseconds = 15;
constexpr std::size_t kBufferSize = 256 * 1024;
/// Distinct paths held before they are handed on, so that a storm does not grow the batch without bound.
constexpr std::size_t kMaxDistinct = 16 * 1024;

class FanotifyWatcher final : public Watcher {
 public:
  FanotifyWatcher(UniqueFd group, UniqueFd stop, OnWatchBatch on_batch)
      : group_(std::move(group)), stop_(std::move(stop)), on_batch_(std::move(on_batch)), buffer_(kBufferSize) {
    thread_ = std::thread([this] { drain(); });
  }

  FanotifyWatcher(const FanotifyWatcher&) = delete;
  FanotifyWatcher& operator=(const FanotifyWatcher&) = delete;

  ~FanotifyWatcher() override {
    (void)!::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  Result<FileSystemId> watch(const TreeRoot& root) override { return mark_file_system(group_.get(), root, kMask); }

  Result<FileSystemId> watch_names_in(const TreeRoot& directory) override {
    return mark_directory(group_.get(), directory, kMask);
  }

  bool is_watching(const TreeRoot& root) override { return has_mark(group_.get(), root); }

 private:
  void drain() {
    pollfd wait[2] = {{group_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    auto paused = std::chrono::steady_clock::now();
    int batches = 0;  // without a rest between them
    for (;;) {
      const bool is_waiting = ::poll(wait, 1, 0) > 0;
      if (!is_waiting && ::poll(wait, 2, -1) < 0 && errno != EINTR) return fail(errno);
      if (wait[1].revents != 0) return;
      if (wait[0].revents == 0) continue;
      // What came meanwhile may be as old as the pause.
      batch_.since = is_waiting ? paused : std::chrono::steady_clock::now();
      if (const int error = take_what_waits(); error != 0) return fail(error);
      batches = is_waiting && batch_.received < kLargeBatch ? std::min(batches + 1, kManyBatches) : 0;
      hand_over();
      paused = std::chrono::steady_clock::now();
      // The first event is read at once; what follows upon it arrives as one batch. The stop request ends the pause.
      const int pause = batches < kManyBatches ? kPauseMilliseconds : kLongPauseMilliseconds;
      if (::poll(wait + 1, 1, pause) > 0) return;
    }
  }

  /// errno where the watch has failed, or 0.
  int take_what_waits() {
    while (seen_.size() < kMaxDistinct) {
      const ssize_t length = ::read(group_.get(), buffer_.data(), buffer_.size());
      if (length > 0) {
        take(buffer_.data(), static_cast<std::size_t>(length));
      } else if (length == 0 || errno == EAGAIN) {
        return 0;
      } else if (errno == ENOMEM) {  // the event is lost, the watch is not
        batch_.overflow = true;
        return 0;
      } else if (errno != EINTR) {
        return errno;
      }
    }
    return 0;
  }

  void fail(int error) {
    batch_.overflow = true;
    batch_.failure = std::string("fanotify: ") + std::strerror(error);
    hand_over();
  }

  void hand_over() {
    if (batch_.received > 0 || batch_.overflow) on_batch_(std::move(batch_));
    batch_ = WatchBatch{};
    seen_.clear();
  }

  void take(const char* data, std::size_t length) {
    // Events are padded to four bytes, their type wants eight: so each is copied.
    fanotify_event_metadata event;  // NOLINT: copied into
    for (; length >= sizeof event; data += event.event_len, length -= event.event_len) {
      std::memcpy(&event, data, sizeof event);
      if (event.event_len < sizeof event || event.event_len > length) return;
      ++batch_.received;
      if (event.fd >= 0) ::close(event.fd);  // none is asked for
      if (event.vers != FANOTIFY_METADATA_VERSION || (event.mask & FAN_Q_OVERFLOW) != 0) {
        batch_.overflow = true;
        continue;
      }
      take_records({data + event.metadata_len, event.event_len - event.metadata_len});
    }
  }

  void take_records(std::string_view records) {
    if (!seen_.emplace(records).second) return;
    WatchEvent event;
    while (records.size() >= sizeof(fanotify_event_info_header)) {
      fanotify_event_info_header header;  // NOLINT: copied into
      std::memcpy(&header, records.data(), sizeof header);
      if (header.len < sizeof header || header.len > records.size()) break;
      const std::string_view record = records.substr(0, header.len);
      if (header.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) take_name(record, event);
      if (header.info_type == FAN_EVENT_INFO_TYPE_FID) take_handle(record, event, event.target);
      records.remove_prefix(header.len);
    }
    if (!event.handle.empty() || !event.target.bytes.empty()) batch_.events.push_back(std::move(event));
  }

  /// struct fanotify_event_info_fid: header, fsid, a file_handle; here a name follows, with its NUL.
  static void take_name(std::string_view record, WatchEvent& event) {
    FileHandle directory;
    const std::size_t end = take_handle(record, event, directory);
    event.handle_type = directory.type;
    event.handle = std::move(directory.bytes);
    event.name = record.substr(end, record.find('\0', end) - end);
  }

  /// Gives where it ends.
  static std::size_t take_handle(std::string_view record, WatchEvent& event, FileHandle& handle) {
    std::size_t at = sizeof(fanotify_event_info_header);
    const auto take = [&](auto& value) {
      std::memcpy(&value, record.data() + at, sizeof value);
      at += sizeof value;
    };
    unsigned handle_bytes = 0;
    take(event.file_system);
    take(handle_bytes);
    take(handle.type);
    handle.bytes = record.substr(at, handle_bytes);
    return at + handle.bytes.size();
  }

  UniqueFd group_;
  UniqueFd stop_;
  OnWatchBatch on_batch_;
  std::vector<char> buffer_;
  WatchBatch batch_;
  std::unordered_set<std::string> seen_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Watcher>> make_fanotify_watcher(OnWatchBatch on_batch) {
  // Whatever else marks what it can, there are marks for this: a few.
  constexpr unsigned kFlags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_MARKS;
  constexpr unsigned kEventFlags = O_RDONLY | O_LARGEFILE | O_CLOEXEC;
  UniqueFd group(::fanotify_init(kFlags | FAN_REPORT_DFID_NAME_TARGET, kEventFlags));
  // Before Linux 5.17 files are told by name alone.
  if (!group && errno == EINVAL) group.reset(::fanotify_init(kFlags | FAN_REPORT_DFID_NAME, kEventFlags));
  if (!group) return manifests::system_error("fanotify", errno);
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return manifests::system_error("eventfd", errno);
  return std::unique_ptr<Watcher>(
      std::make_unique<FanotifyWatcher>(std::move(group), std::move(stop), std::move(on_batch)));
}

}  // namespace driftd::scanner
