#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "manifests/unique_fd.hpp"

namespace driftd::test {

/// Holds up whoever reads a file, or lists a directory, at each read(2) or getdents64(2), and has something done before
/// it goes on: what happens "while the file is read" happens then, and not sooner or later. By fanotify's permission
/// events, so it needs root and a kernel that has them.
///
/// `on_read(nth)`, counting from 1, runs on a thread of the gate. It must neither read nor list what the gate holds.
class ReadingGate {
 public:
  static bool is_possible() { return static_cast<bool>(open_group()); }

  ReadingGate(const std::string& path, std::function<void(unsigned)> on_read)
      : group_(open_group()), end_(::eventfd(0, EFD_CLOEXEC)), on_read_(std::move(on_read)) {
    if (::fanotify_mark(group_.get(), FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_ACCESS_PERM | FAN_ONDIR, AT_FDCWD,
                        path.c_str()) != 0) {
      throw std::runtime_error("no mark on " + path);
    }
    thread_ = std::thread([this] { guard(); });
  }
  ReadingGate(const ReadingGate&) = delete;
  ReadingGate& operator=(const ReadingGate&) = delete;
  ~ReadingGate() {
    const std::uint64_t one = 1;
    (void)!::write(end_.get(), &one, sizeof one);
    thread_.join();
  }

  /// How often somebody read so far.
  [[nodiscard]] unsigned reads() const { return reads_; }

 private:
  static manifests::UniqueFd open_group() {
    return manifests::UniqueFd(::fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC));
  }

  void guard() {
    pollfd waiting[] = {{group_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
    while (::poll(waiting, 2, -1) >= 0 && waiting[1].revents == 0) {
      fanotify_event_metadata event;  // NOLINT: filled by the kernel
      // One at a time: a buffer for one takes no more.
      if (::read(group_.get(), &event, sizeof event) != sizeof event) continue;
      const manifests::UniqueFd file(event.fd);
      on_read_(++reads_);
      const fanotify_response go_on{event.fd, FAN_ALLOW};
      (void)!::write(group_.get(), &go_on, sizeof go_on);
    }
  }

  manifests::UniqueFd group_;
  manifests::UniqueFd end_;
  std::function<void(unsigned)> on_read_;
  std::atomic<unsigned> reads_ = 0;
  std::thread thread_;
};

}  // namespace driftd::test
