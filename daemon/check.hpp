#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/path_arguments.hpp"
#include "daemon/standstill.hpp"
#include "daemon/state_store.hpp"
#include "daemon/touch_store.hpp"
#include "daemon/verdict.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/trust.hpp"
#include "scanner/evidence.hpp"
#include "scanner/scan.hpp"

/// `driftd --check`: one look at the trees, without daemon or cache; writes nothing. Of the daemon's state it reads
/// what it can, for the ratchet and for a deploy that is under way, and does without where it cannot.
namespace driftd::daemon {

/// What stood in the way of a judgement.
struct Problem {
  std::string what;    ///< manifest, scan, state, trust, path or strict
  std::string reason;  ///< as in the metric labels
  std::string message;
  std::string path = ".";   ///< that it concerns, as in Finding
  bool is_nowhere = false;  ///< a PATH that is neither on the host nor in the manifest
};

/// `what` of a problem with a PATH that was asked for.
inline constexpr std::string_view kPathProblem = "path";

enum class ShowProgress : bool { no, yes };

struct TreeReport {
  std::string name;
  std::string root;
  std::string manifest_file;
  scanner::Scope asked;
  std::set<NamedPath> named;                      ///< by the PATH arguments, each one, even below another
  std::set<manifests::RelPath> absent;            ///< of the paths asked for, those where nothing is on the host
  std::shared_ptr<const scanner::ScanPlan> plan;  ///< null: nothing was looked at
  /// What the tree was compared with; beside a problem with the one on disk, the last good one. Null: none.
  std::shared_ptr<const manifests::VerifiedManifest> manifest;
  std::optional<scanner::ScanResult> scan;
  std::map<std::string, scanner::PathEvidence> evidence;  ///< of drift that the daemon has seen; by path as in Finding
  std::optional<Touch> touch;  ///< of the one path that was asked for, as the daemon has seen it
  std::string touch_problem;   ///< why that is not known; empty: it is
  std::vector<Problem> problems;
  std::string deploying_from;    ///< the release before, while its paths are excused; empty: none is
  std::string replay_unchecked;  ///< why an older release, truly signed, could have passed; empty: it could not
  std::optional<TrustReset> trust_reset;
  std::int64_t trusted_now = 0;  ///< the later of the clock and what was signed, in seconds since 1970
  bool clock_suspect = false;    ///< the clock is behind what was signed
  double seconds = 0;
  bool partial = false;  ///< only some paths were asked for

  [[nodiscard]] Verdict verdict() const;
};

struct CheckReport {
  std::string host;
  /// The options, as one types them and with a space behind them, by which a further command finds the same trees.
  std::string again;
  std::int64_t checked_at = 0;
  std::vector<TreeReport> trees;
  /// A file system hangs, and threads with it: the process has to end without waiting for them.
  bool has_left_work = false;

  [[nodiscard]] Verdict verdict() const;
};

struct CheckOptions {
  std::vector<std::string> trees;               ///< names; empty: all
  std::vector<std::string> paths;               ///< absolute, or relative to a tree's root; empty: whole trees
  unsigned threads = 0;                         ///< 0: as the configuration says
  ShowProgress progress = ShowProgress::no;     ///< on standard error, which is a terminal then
  std::chrono::milliseconds patience = kHangs;  ///< with a file system that does not answer
  bool strict = false;  ///< pending paths are drift; expiry, overrides and an unchecked replay are unknown
  /// Keys that a person named. They are trusted as given, and no directory is read.
  std::optional<manifests::TrustPolicy> trust;
  /// What has been found out already: why the trees cannot be looked at.
  std::optional<manifests::Error> unreachable;
};

/// Fails (`usage`) for trees or paths that do not exist in the configuration; all else is in the report.
manifests::Result<CheckReport> check(const Config& config, const CheckOptions& options, const std::string& host);

}  // namespace driftd::daemon
