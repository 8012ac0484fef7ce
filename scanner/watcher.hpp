#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "scanner/tree_root.hpp"

namespace driftd::scanner {

/// One change as the kernel names it: a directory by its file system and handle, and a name in it. What befalls a file
/// by no name, as that it got another one, has neither.
struct WatchEvent {
  FileSystemId file_system{};
  int handle_type = 0;
  std::string handle;  ///< file_handle f_handle bytes
  std::string name;    ///< `.` for the directory itself
  FileHandle target;   ///< what the name stands for; not before Linux 5.17, and not of a directory itself
};

/// What happened since the batch before; the same path once, however often it changed.
struct WatchBatch {
  std::vector<WatchEvent> events;
  std::uint64_t received = 0;  ///< events as the kernel counted them
  /// The kernel dropped events, or the watcher itself could not go on: anything may have changed.
  bool overflow = false;
  /// Set where no further events will come; says why.
  std::string failure;
  std::chrono::steady_clock::time_point since{};  ///< when the first event was read
};

/// A source of change events. Events are hints: they say where to look, never what is there. Thread-safe.
class Watcher {
 public:
  virtual ~Watcher() = default;

  /// From now on changes on the root's file system are told. Changes elsewhere on it come too; the receiver sorts them
  /// out. Gives the file system as its events name it.
  virtual manifests::Result<FileSystemId> watch(const TreeRoot& root) = 0;

  /// The same for the names in one directory; more may be told.
  virtual manifests::Result<FileSystemId> watch_names_in(const TreeRoot& directory) = 0;

  /// Whether watch() still holds. It ends with the file system's last mount, silently, though the same may be mounted
  /// again at the same place at once.
  virtual bool is_watching(const TreeRoot& root) = 0;
};

/// Called on the watcher's own thread, so that it must not block.
using OnWatchBatch = std::function<void(WatchBatch)>;

/// Watches whole file systems by fanotify(7); needs CAP_SYS_ADMIN and Linux 5.9, and 5.17 to tell which
/// file it was. Fails with the reason where the kernel refuses. Destruction ends the thread.
manifests::Result<std::unique_ptr<Watcher>> make_fanotify_watcher(OnWatchBatch on_batch);

}  // namespace driftd::scanner
