#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "daemon/control_protocol.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

struct ControlAnswer {
  int exit = 1;
  std::string output;  ///< complete, or there is no answer
};

/// Asks the daemon whose control socket is in that directory. Waits 10 s for it, or, where the request says so, for as
/// long as a scan takes; `on_note` is told what it says meanwhile, one safe line each. The error says what to do.
/// `config_problem`: why the configuration cannot be read, which is told as well, unless it is empty.
manifests::Result<ControlAnswer> ask_daemon(const std::string& run_directory, const ControlRequest& request,
                                            const std::string& config_problem,
                                            const std::function<void(std::string_view)>& on_note);

}  // namespace driftd::daemon
