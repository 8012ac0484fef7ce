#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/human_paths.hpp"
#include "daemon/report.hpp"
#include "daemon/snapshot.hpp"
#include "daemon/tree_state.hpp"
#include "scanner/drift_set.hpp"

/// `driftd status`: what the daemon knows, as plain values, and as text. Of paths a bounded part is taken over, with
/// counts of all, so that the question costs the daemon the same however much is wrong.
namespace driftd::daemon {

struct TreeStatus {
  TreeSnapshot summary;
  std::shared_ptr<const manifests::VerifiedManifest> manifest;  ///< in force; null: none
  std::int64_t trusted_now = 0;                                 ///< as in TreeReport
  std::optional<manifests::Error> distrust;                     ///< as in Standing
  std::optional<manifests::Error> forgetful;                    ///< as in Standing
  std::optional<TrustReset> trust_reset;
  // The first of each, by path; `summary` has the numbers.
  std::vector<scanner::OpenDrift> open;
  std::vector<scanner::Unverified> unverified;
  std::vector<scanner::Finding> pending;
  std::size_t unverified_in_all = 0;
  DirectoryCounts directories;  ///< of all that is open, where that is more than people are shown
  bool is_cut = false;          ///< there are more paths
};

struct StatusReport {
  std::string host;
  /// The options, with a space behind them, by which a further command finds the same daemon and trees.
  std::string again;
  std::int64_t now = 0;
  std::int64_t started_at = 0;
  std::string reload_problem;
  StateStore::Protection protection = StateStore::Protection::ok;
  std::vector<TreeStatus> trees;

  [[nodiscard]] Verdict verdict() const;
};

/// A tree as it is now. Of each kind of path as many are taken over as people are shown, and more as long as `budget`,
/// which is for all trees, is not spent: one for a path, more for a long one.
TreeStatus tree_status(const TreeState& state, TreeSnapshot summary, std::int64_t now, std::size_t& budget);

/// For people, as human_report().
std::string human_status(const StatusReport& report, Colour colour);

/// One JSON document, version 1, with a line end. Findings and paths stand there as in json_report().
void json_status(const StatusReport& report, const Print& print);
/// Its paths alone.
void json_drift(const StatusReport& report, const Print& print);

}  // namespace driftd::daemon
