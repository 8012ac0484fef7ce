#pragma once

#include <chrono>

namespace driftd::scanner {

/// Lets a thread that mostly waits run at once when it has something to do, before what it is to look at is gone. The
/// thread loses that as soon as it takes more than a small share of a CPU, and gets it back in the next second. Where
/// the kernel refuses (RLIMIT_NICE, CAP_SYS_NICE) it stays as it is. Used by the one thread that made it.
class BriefUrgency {
 public:
  BriefUrgency();

  /// To be called in each round of the thread's work.
  void update();

 private:
  void set(bool urgent);

  const int ordinary_nice_;
  bool is_urgent_ = false;
  std::chrono::steady_clock::time_point began_{};  ///< of the present second
  std::chrono::nanoseconds used_before_{};
};

}  // namespace driftd::scanner
