#pragma once

#include <chrono>
#include <optional>
#include <string>

/// The service manager's side of sd_notify(3). All calls do nothing where no manager listens.
namespace driftd::daemon::notify {

void ready();
void status(const std::string& text);
/// A reload begins (carries MONOTONIC_USEC, as Type=notify-reload wants); ends with ready().
void reloading();
void stopping();
void watchdog();

/// How often the manager wants watchdog() at the least; nothing where it does not want it.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace driftd::daemon::notify
