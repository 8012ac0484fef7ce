#pragma once

#include "daemon/config.hpp"

namespace driftd::daemon {

/// Messages go to stderr, a line each: with the priority prefix of sd-daemon(3) where stderr is the journal, else with
/// the time. Whoever logs bytes from outside escapes them.
void set_up_log();
void set_log_level(LogLevel level);

}  // namespace driftd::daemon
