#pragma once

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

}  // namespace driftd::scanner
