#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/history.hpp"
#include "daemon/state_store.hpp"
#include "manifests/error.hpp"
#include "manifests/minisign.hpp"
#include "scanner/drift_set.hpp"
#include "scanner/evidence.hpp"
#include "scanner/finding.hpp"

namespace driftd::daemon {

/// One time of drift at one path. Times are seconds since 1970.
struct DriftRecord {
  std::string path;     ///< raw bytes, as in Finding
  std::string kind;     ///< as it was opened
  std::string changes;  ///< likewise; joined with a comma
  std::int64_t opened_at = 0;
  std::optional<std::int64_t> notified_at;
  std::optional<std::int64_t> ended_at;
  std::optional<Ending> ending;  ///< present where ended_at is
  std::optional<scanner::PathEvidence> evidence;
};

/// What happened to a tree's drift at one moment.
struct HistoryBatch {
  struct Opened {
    std::string path;
    scanner::DriftKind kind;
    scanner::Changes changes;
    std::int64_t at;
    std::shared_ptr<const scanner::PathEvidence> evidence{};  ///< null: unknown
  };
  std::int64_t at = 0;  ///< of what ended, and what somebody was told of
  std::vector<std::pair<std::string, Ending>> ended;
  /// All paths that are open, where something may have gone unrecorded: every other record is resolved.
  std::optional<std::set<std::string>> only_open;
  std::vector<Opened> opened;
  /// Of what was open already, that for which this is another now.
  std::vector<std::pair<std::string, std::shared_ptr<const scanner::PathEvidence>>> attributed;
  std::vector<std::string> notified;
  std::uint64_t open = 0;                                   ///< in all, after this
  std::optional<manifests::minisign::Prehash> judged_by{};  ///< see TreeState
};

/// Drift as it came and went, tree by tree, in the state database. Every function may wait for the disk, and half a
/// second for another process. Not thread-safe, nor beside its StateStore.
class HistoryStore {
 public:
  /// At most so many records of a tree are open. Beyond that drift is counted, not listed: it is a tree that was never
  /// deployed from its release, of which nobody reads a list, and a path can have 4 KiB.
  static constexpr std::size_t kMostOpen = 5'000;
  /// Of a tree; the latest. Together with the open ones: a few MB, some ten at worst, that a database is quick with.
  static constexpr std::size_t kMostEnded = 5'000;
  /// A quarter: what somebody asks who looks for how a host came to be as it is. Older ones go.
  static constexpr std::int64_t kKeepSeconds = 90LL * 24 * 3600;

  /// `state` outlives this object.
  explicit HistoryStore(StateStore& state) : state_(state) {}

  /// All of it in one transaction, or, on an error, nothing. What is opened beyond kMostOpen has no record, and nor has
  /// its end.
  manifests::Result<void> write(const std::string& tree, const HistoryBatch& batch);

  /// What was open when it was last written: path and kind of each finding, and who made it.
  struct Recalled {
    std::map<std::string, scanner::OpenDrift> open;  ///< of what somebody was told, the notice says so
    std::optional<manifests::minisign::Prehash> judged_by;
  };
  manifests::Result<Recalled> recall(const std::string& tree);

  /// Of what is open, as far as it is known. For commands too, that read a state which an older version wrote.
  manifests::Result<std::map<std::string, scanner::PathEvidence>> evidence(const std::string& tree);

  struct Latest {
    std::vector<DriftRecord> records;  ///< the last opened first
    std::uint64_t open = 0;            ///< of the tree, listed or not
  };
  manifests::Result<Latest> latest(const std::string& tree, std::size_t most);

  /// Drops what is too old, and what of trees that are in no configuration any more would stay open for ever.
  manifests::Result<void> drop_old(const std::vector<std::string>& configured, std::int64_t now);

 private:
  manifests::Result<std::set<std::string>> listed(const std::string& tree);
  manifests::Result<void> end(const std::string& tree, const std::string& path, Ending ending, std::int64_t at);
  manifests::Result<void> end_all(const std::string& tree, const HistoryBatch& batch, std::set<std::string>& listed);
  manifests::Result<void> open(const std::string& tree, const HistoryBatch& batch, std::set<std::string>& listed);
  manifests::Result<void> attribute(const std::string& tree, const HistoryBatch& batch,
                                    const std::set<std::string>& listed);
  manifests::Result<void> note(const std::string& tree, const HistoryBatch& batch, const std::set<std::string>& listed);
  manifests::Result<void> trim(const std::string& tree);

  StateStore& state_;
};

}  // namespace driftd::daemon
