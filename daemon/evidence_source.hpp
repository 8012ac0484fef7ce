#pragma once

#include <memory>

#include "daemon/config.hpp"
#include "scanner/evidence_watcher.hpp"

namespace driftd::daemon {

/// Learns who makes changes, and logs what stands in the way. Null where the configuration or the kernel does not let
/// it, which the log says, too.
std::unique_ptr<scanner::EvidenceWatcher> make_evidence_source(WatchMode mode);

}  // namespace driftd::daemon
