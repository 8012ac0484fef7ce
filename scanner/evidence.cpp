#include "scanner/evidence.hpp"

namespace driftd::scanner {
namespace {

bool is_same_file(const FileId& known, const FileId& found) {
  return known.inode != 0 && known.inode == found.inode && known.born == found.born &&
         (known.device == 0 || known.device == found.device);
}

}  // namespace

bool is_of(const PathEvidence& evidence, const Finding& finding) {
  const auto time = finding.file_time();
  if (!evidence.last || !evidence.changed || !time || !is_same_file(evidence.file, finding.file)) return false;
  // Where a file system keeps whole seconds, others may have changed it in the same one.
  return time->nanoseconds != 0 && evidence.changed->first <= *time && *time <= evidence.changed->latest;
}

bool is_same_process(const PathEvidence& one, const PathEvidence& other) {
  return one.last && other.last && one.last->pid == other.last->pid && one.last->started == other.last->started;
}

PathEvidence merged(const PathEvidence& earlier, PathEvidence later) {
  later.several = later.several || earlier.several || !is_same_process(earlier, later);
  return later;
}

}  // namespace driftd::scanner
