#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scanner/evidence.hpp"
#include "scanner/finding.hpp"
#include "scanner/scan.hpp"
#include "scanner/scope.hpp"

namespace driftd::scanner {

/// Whether somebody is told of drift. A DriftSet keeps it with the drift, and knows nothing of it.
struct Notice {
  enum class State : std::uint8_t { none, waiting, told };
  State state = State::none;
  std::chrono::nanoseconds due{};  ///< of what is waiting; CLOCK_BOOTTIME
};

struct OpenDrift {
  Finding finding;
  std::int64_t first_seen = 0;  ///< seconds since 1970; survives a change of what is wrong with the path
  bool outdated = false;        ///< compared with another manifest than the one in force, and not looked at since
  bool altered = false;         ///< what stands there has changed since it was first seen
  std::shared_ptr<const PathEvidence> evidence{};  ///< of who made it what it is; null: unknown
  mutable Notice notice{};                         ///< for who tells people of it; says nothing of the drift
};

/// What one scan changed. The pointers lead into the set, and are good until that changes again.
struct DriftChanges {
  std::vector<const OpenDrift*> opened;       ///< at paths that had no drift before
  std::vector<const OpenDrift*> recalled;     ///< what had been recalled and is still there
  std::vector<const OpenDrift*> attributed;   ///< what was open already, and somebody else's now, or nobody's
  std::vector<const OpenDrift*> repeated;     ///< likewise, and the same program's, once more
  std::map<std::string, OpenDrift> resolved;  ///< what is gone, recalled or not, as it was last seen
};

/// Paths that are still as the release before has them: excused while a deploy is under way, drift after that.
enum class Pending { excused, drift };

/// All that is known to be wrong with a tree, kept up to date by scans of any scope.
class DriftSet {
 public:
  /// Takes over what `result` says about its scope, and nothing beyond. Paths in `newer` were looked at by a later
  /// scan already, which stays in force. A path that could not be verified keeps the drift it had: not seeing a
  /// difference is no proof that it is gone.
  DriftChanges apply(ScanResult result, const Scope& newer, std::int64_t now, Pending pending = Pending::excused);

  /// The time that a deploy had is over: what is pending is drift from now on.
  DriftChanges end_excuse(std::int64_t now);

  /// Drift by path that was open when somebody last looked, before this process or elsewhere. It says nothing of what
  /// is there now: the next look at such a path either finds drift, which is then as old, or is what ends it.
  void recall(std::map<std::string, OpenDrift> open);
  /// Nothing is known of what is there now. What was open is recalled.
  void forget();
  /// Another manifest is in force: what is open was not compared with it.
  void outdate();

  [[nodiscard]] const std::map<std::string, OpenDrift>& open() const { return open_; }
  /// Recalled, and not looked at since.
  [[nodiscard]] const std::map<std::string, OpenDrift>& recalled() const { return recalled_; }
  [[nodiscard]] const std::map<std::string, Unverified>& unverified() const { return unverified_; }
  /// Whether they are excused or not.
  [[nodiscard]] const std::map<std::string, Finding>& pending() const { return pending_; }
  [[nodiscard]] std::size_t count(DriftKind kind) const;

  /// The path to look at again for a change at `path`: itself, or the finding above it, which the change may end.
  [[nodiscard]] std::string rescan_path(const std::string& path) const;

 private:
  void end_unless_found(const ScanResult& result, const Scope& newer, Pending pending, DriftChanges& changes);
  void take(Finding finding, const PathEvidence* evidence, std::int64_t now, DriftChanges& changes);

  std::map<std::string, OpenDrift> open_;
  std::map<std::string, OpenDrift> recalled_;
  std::map<std::string, Finding> pending_;
  std::map<std::string, Unverified> unverified_;
};

}  // namespace driftd::scanner
