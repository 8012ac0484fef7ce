#include "scanner/brief_urgency.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace driftd::scanner {
namespace {

constexpr int kHighestNice = -20;
constexpr auto kPeriod = std::chrono::seconds(1);
constexpr auto kBudget = std::chrono::milliseconds(50);

/// On Linux the nice value is a thread's, under whose id it is set.
id_t this_thread() { return static_cast<id_t>(::syscall(SYS_gettid)); }

std::chrono::nanoseconds cpu_time_used() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

BriefUrgency::BriefUrgency() : ordinary_nice_(::getpriority(PRIO_PROCESS, this_thread())) { update(); }

void BriefUrgency::update() {
  const auto now = std::chrono::steady_clock::now();
  if (now - began_ >= kPeriod) {
    began_ = now;
    used_before_ = cpu_time_used();
    set(true);
  } else if (is_urgent_ && cpu_time_used() - used_before_ > kBudget) {
    set(false);
  }
}

void BriefUrgency::set(bool urgent) {
  if (urgent == is_urgent_) return;
  is_urgent_ = urgent;
  (void)::setpriority(PRIO_PROCESS, this_thread(), urgent ? kHighestNice : ordinary_nice_);
}

}  // namespace driftd::scanner
