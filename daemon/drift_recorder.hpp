#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/history_store.hpp"
#include "daemon/pending_notices.hpp"
#include "daemon/tree_state.hpp"
#include "daemon/workers.hpp"
#include "scanner/drift_set.hpp"

namespace driftd::daemon {

/// Tells what happens to one tree's drift: the log, each thing once, and the history. Drift that is new is a line at
/// `info`, and one at `warning` when it has stayed for the tree's `notify_after`, but not before it has been compared
/// with the manifest in force. Whatever becomes of the history, nothing waits for it and no verdict depends on it: what
/// could not be written is logged once, and put right when writing works again. Lives on the io_context's thread.
class DriftRecorder : public std::enable_shared_from_this<DriftRecorder> {
 public:
  static constexpr std::chrono::milliseconds kRetry = std::chrono::seconds(30);

  /// All outlive this object. `history` is touched in Workers::record only; writing is tried again after `retry`.
  DriftRecorder(boost::asio::io_context& io, Workers& workers, HistoryStore& history, TreeState& state,
                std::chrono::milliseconds retry = kRetry)
      : workers_(workers),
        history_(history),
        state_(state),
        retry_(retry),
        notices_(state.config().notify_after),
        due_timer_(io),
        retry_timer_(io) {}

  /// Recalls what was open. To be called first, so that it is known before the first scan ends.
  void start();
  void stop();

  /// What a scan has changed, or nothing: it may have confirmed what was due. Called after every scan.
  void record(const scanner::DriftChanges& changes);

 private:
  void log(const scanner::DriftChanges& changes, const HistoryBatch& batch) const;
  void update_notices(const scanner::DriftChanges& changes, PendingNotices::Time now);
  void tell_due(HistoryBatch& batch, PendingNotices::Time now);
  void await_due();
  [[nodiscard]] HistoryBatch begin_batch() const;
  void write(HistoryBatch batch);
  void write_all();
  void failed(const manifests::Error& error);
  void retry_later();

  Workers& workers_;
  HistoryStore& history_;
  TreeState& state_;
  const std::chrono::milliseconds retry_;
  PendingNotices notices_;
  boost::asio::steady_timer due_timer_;
  boost::asio::steady_timer retry_timer_;
  bool stopped_ = false;
  bool behind_ = false;       ///< something may have gone unrecorded
  bool catching_up_ = false;  ///< that is being put right; what comes now is recorded after it
  std::optional<TreeState::Identity> written_judged_by_;
};

}  // namespace driftd::daemon
