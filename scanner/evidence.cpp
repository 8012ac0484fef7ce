#include "scanner/evidence.hpp"

namespace driftd::scanner {

bool is_of(const PathEvidence& evidence, std::optional<std::int64_t> changed_at) {
  return evidence.last && (!changed_at || *changed_at <= evidence.at);
}

PathEvidence merged(const PathEvidence& earlier, PathEvidence later) {
  const bool is_same = earlier.last && later.last && earlier.last->pid == later.last->pid &&
                       earlier.last->started == later.last->started;
  later.several = later.several || earlier.several || !is_same;
  return later;
}

}  // namespace driftd::scanner
