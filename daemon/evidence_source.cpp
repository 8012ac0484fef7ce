#include "daemon/evidence_source.hpp"

#include <string>

#include <spdlog/spdlog.h>

namespace driftd::daemon {

std::unique_ptr<scanner::EvidenceWatcher> make_evidence_source(WatchMode mode) {
  if (mode == WatchMode::polling) return nullptr;
  auto watcher = scanner::make_evidence_watcher([](const std::string& trouble) { spdlog::warn("{}", trouble); });
  if (watcher) return std::move(*watcher);
  spdlog::info("who makes changes will not be known: {}", watcher.error().message);
  return nullptr;
}

}  // namespace driftd::daemon
