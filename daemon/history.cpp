#include "daemon/history.hpp"

#include <optional>
#include <string>

namespace driftd::daemon {

std::string_view to_string(Ending ending) { return ending == Ending::deployed ? "deployed" : "resolved"; }

Ending ending_of(const Standing& standing, const scanner::DriftSet& drift, const scanner::OpenDrift& ended) {
  const std::string& path = ended.finding.path;
  if (standing.previous == nullptr || !ended.outdated || ended.altered || drift.pending().contains(path))
    return Ending::resolved;
  const auto entry = [&path](const ManifestPointer& manifest) -> std::optional<manifests::Entry> {
    const auto at = manifest->manifest().find(path == "." ? std::string_view() : std::string_view(path));
    return at ? std::optional(manifest->manifest().entry(*at)) : std::nullopt;
  };
  return entry(standing.previous) != entry(standing.manifest) ? Ending::deployed : Ending::resolved;
}

}  // namespace driftd::daemon
