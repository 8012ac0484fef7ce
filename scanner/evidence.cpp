#include "scanner/evidence.hpp"

namespace driftd::scanner {

bool is_of(const PathEvidence& evidence, const Finding& finding) {
  if (!evidence.last) return false;
  if (!finding.changed_at) return true;
  if (!evidence.changed) return *finding.changed_at <= evidence.at;
  return FileTime{*finding.changed_at, finding.changed_nanoseconds} <= *evidence.changed;
}

PathEvidence merged(const PathEvidence& earlier, PathEvidence later) {
  const bool is_same = earlier.last && later.last && earlier.last->pid == later.last->pid &&
                       earlier.last->started == later.last->started;
  later.several = later.several || earlier.several || !is_same;
  return later;
}

}  // namespace driftd::scanner
