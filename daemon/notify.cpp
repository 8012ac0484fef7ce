#include "daemon/notify.hpp"

#include <time.h>

#include <systemd/sd-daemon.h>

namespace driftd::daemon::notify {

void ready() { ::sd_notify(0, "READY=1"); }

void status(const std::string& text) { ::sd_notify(0, ("STATUS=" + text).c_str()); }

void reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto since_boot = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(since_boot).count();
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds)).c_str());
}

void stopping() { ::sd_notify(0, "STOPPING=1"); }

void watchdog() { ::sd_notify(0, "WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

}  // namespace driftd::daemon::notify
