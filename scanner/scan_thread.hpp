#pragma once

#include <functional>

namespace driftd::scanner {

/// What a scan is for decides whom it may keep waiting.
enum class Priority {
  normal,      ///< somebody waits for it
  background,  ///< idle I/O priority and the lowest CPU weight
};

/// Sets up the calling thread to scan; it must end with the scan. It gets a table of file descriptors of its own in
/// which only `root` and the standard ones are open: a table that no other thread uses needs no reference counts at
/// each system call. So no descriptor may be handed from one such thread to another. Where the kernel refuses any of
/// it the thread works as it is.
void enter_scan_thread(int root, Priority priority);

/// Runs `work`, which reads files of a tree, on a thread with a table of descriptors of its own, as scans do, and waits
/// for it; what it throws is thrown here. For a file that hangs must never be open in a table that is shared: closing
/// a copy of it, which is what a table of one's own begins with, hangs too on some file systems (FUSE).
void in_own_descriptors(const std::function<void()>& work);

}  // namespace driftd::scanner
