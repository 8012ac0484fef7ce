#include "daemon/drift_recorder.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/history.hpp"
#include "daemon/tree_log.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::Result;
using scanner::OpenDrift;

}  // namespace

void DriftRecorder::start() {
  workers_.record(
      [&history = history_, tree = state_.config().name](const WorkContext&) { return history.recall(tree); },
      [weak = weak_from_this()](Result<HistoryStore::Recalled> recalled) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        if (!recalled) return self->failed(recalled.error());
        self->written_judged_by_ = recalled->judged_by;
        self->state_.recall(std::move(recalled->open), recalled->judged_by);
      });
}

void DriftRecorder::stop() {
  stopped_ = true;
  due_timer_.cancel();
  retry_timer_.cancel();
}

void DriftRecorder::record(const scanner::DriftChanges& changes) {
  HistoryBatch batch = begin_batch();
  for (const auto& [path, ended] : changes.resolved) {
    batch.ended.emplace_back(path, ending_of(state_.standing(), state_.drift(), ended));
  }
  // More would have no record.
  for (const OpenDrift* open : changes.opened) {
    if (batch.opened.size() == HistoryStore::kMostOpen) break;
    batch.opened.push_back(
        {open->finding.path, open->finding.kind, open->finding.changes, open->first_seen, open->evidence});
  }
  for (const auto* changed : {&changes.attributed, &changes.repeated}) {
    for (const OpenDrift* open : *changed) batch.attributed.emplace_back(open->finding.path, open->evidence);
  }
  log(changes, batch);
  const auto now = boot_clock();
  update_notices(changes, now);
  tell_due(batch, now);
  write(std::move(batch));
  await_due();
}

void DriftRecorder::log(const scanner::DriftChanges& changes, const HistoryBatch& batch) const {
  const std::string& name = state_.config().name;
  std::vector<const OpenDrift*> resolved;
  std::vector<const OpenDrift*> deployed;
  auto ending = batch.ended.begin();
  for (const auto& [path, ended] : changes.resolved) {
    (ending++->second == Ending::deployed ? deployed : resolved).push_back(&ended);
  }
  // Where nothing is waited for, the notice says it all.
  const bool is_waiting = state_.config().notify_after.count() > 0;
  if (is_waiting) log_drift(name, spdlog::level::info, "seen", changes.opened, Authors::named);
  log_drift(name, spdlog::level::info, "still there", changes.recalled, Authors::unnamed);
  log_drift(name, spdlog::level::info, "touched again", changes.attributed, Authors::named);
  log_drift(name, spdlog::level::info, "resolved", resolved, Authors::unnamed);
  log_drift(name, spdlog::level::info, "deployed", deployed, Authors::unnamed);
}

void DriftRecorder::update_notices(const scanner::DriftChanges& changes, PendingNotices::Time now) {
  for (const OpenDrift* open : changes.opened) notices_.opened(*open, now);
  for (const OpenDrift* open : changes.recalled) {
    // By the wall clock, since nothing else is known of the time before a restart; it may have been set.
    const std::int64_t passed = wall_clock() - open->first_seen;
    notices_.opened(*open, now - std::chrono::seconds(std::max<std::int64_t>(0, passed)));
  }
}

void DriftRecorder::tell_due(HistoryBatch& batch, PendingNotices::Time now) {
  const auto due = notices_.take_due(state_.drift().open(), now);
  for (const OpenDrift* open : due) batch.notified.push_back(open->finding.path);
  log_drift(state_.config().name, spdlog::level::warn, "opened", due, Authors::named);
}

void DriftRecorder::await_due() {
  const auto next = notices_.next();
  if (!next) return;
  // What falls due while this runs is told at once.
  due_timer_.expires_after(*next - boot_clock());
  due_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error && !self->stopped_) self->record({});
  });
}

HistoryBatch DriftRecorder::begin_batch() const {
  HistoryBatch batch;
  batch.at = wall_clock();
  batch.open = state_.drift().open().size() + state_.drift().recalled().size();
  batch.judged_by = state_.judged_by();
  return batch;
}

void DriftRecorder::write(HistoryBatch batch) {
  if (behind_ && !catching_up_) return;
  const bool is_news = !batch.opened.empty() || !batch.ended.empty() || !batch.attributed.empty() ||
                       !batch.notified.empty() || batch.only_open;
  // By which manifest a tree was judged in which nothing is open tells nobody anything.
  const bool is_judged_anew = batch.open > 0 && batch.judged_by != written_judged_by_;
  if (!is_news && !is_judged_anew) return;
  written_judged_by_ = batch.judged_by;
  const bool is_all = batch.only_open.has_value();
  workers_.record([&history = history_, tree = state_.config().name,
                   batch = std::move(batch)](const WorkContext&) { return history.write(tree, batch); },
                  [weak = weak_from_this(), is_all](const Result<void>& written) {
                    const auto self = weak.lock();
                    if (!self || self->stopped_) return;
                    if (is_all) self->catching_up_ = false;
                    if (!written) return self->failed(written.error());
                    if (!is_all) return;
                    self->behind_ = false;
                    spdlog::info("{}: the history is being written again", self->state_.config().name);
                  });
}

void DriftRecorder::write_all() {
  // Before a scan of everything, what was recorded may well be open still.
  if (!state_.is_complete()) return retry_later();
  HistoryBatch batch = begin_batch();
  auto& only_open = batch.only_open.emplace();
  for (const auto& [path, recalled] : state_.drift().recalled()) only_open.insert(path);
  for (const auto& [path, open] : state_.drift().open()) {
    only_open.insert(path);
    if (batch.opened.size() == HistoryStore::kMostOpen) continue;
    batch.opened.push_back({path, open.finding.kind, open.finding.changes, open.first_seen, open.evidence});
    if (open.notice.state == scanner::Notice::State::told) batch.notified.push_back(path);
  }
  catching_up_ = true;
  write(std::move(batch));
}

void DriftRecorder::failed(const Error& error) {
  if (!behind_) {
    spdlog::error("{}: the history of drift cannot be kept until this is put right: {}", state_.config().name,
                  error.message);
  }
  behind_ = true;
  retry_later();
}

void DriftRecorder::retry_later() {
  retry_timer_.expires_after(retry_);
  retry_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error && !self->stopped_) self->write_all();
  });
}

}  // namespace driftd::daemon
