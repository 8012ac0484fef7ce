#include "scanner/scan_thread.hpp"

#include <linux/close_range.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>
#include <thread>

namespace driftd::scanner {
namespace {

constexpr int kLowestNice = 19;
/// ioprio_set(2), which has no wrapper; its header is not C++ in every version of Debian 12's kernel headers.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassIdle = 3;
constexpr int kIoprioClassShift = 13;
constexpr unsigned kFirstOwn = 3;  // after the standard ones

// ThreadSanitizer believes that all threads share one table.
#ifdef __SANITIZE_THREAD__
void leave_shared_descriptors(int) {}
#else
void leave_shared_descriptors(int root) {
  const auto kept = root < 0 ? ~0U : static_cast<unsigned>(root);
  const auto close_own = [](unsigned first, unsigned last) {
    return first > last || ::syscall(SYS_close_range, first, last, CLOSE_RANGE_UNSHARE) == 0;
  };
  // A copy of a descriptor keeps a connection open that others have closed.
  if (close_own(kFirstOwn, kept - 1) && root >= 0) (void)close_own(kept + 1, ~0U);
}
#endif

}  // namespace

void enter_scan_thread(int root, Priority priority) {
  if (priority == Priority::background) {
    ::syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioClassIdle << kIoprioClassShift);
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLowestNice);
  }
  leave_shared_descriptors(root);
}

void in_own_descriptors(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread([&] {
    leave_shared_descriptors(-1);
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace driftd::scanner
