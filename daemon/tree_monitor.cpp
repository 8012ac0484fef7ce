#include "daemon/tree_monitor.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/exact_release.hpp"
#include "daemon/standstill.hpp"
#include "daemon/tree_log.hpp"
#include "manifests/escape.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;
using manifests::RelPath;

}  // namespace

TreeMonitor::TreeMonitor(MonitorContext& context, TreeConfig config, Standing known)
    : context_(context),
      state_(std::move(config)),
      known_(std::move(known)),
      threads_(context.workers.open_tree()),
      evidence_(context.evidence != nullptr ? context.evidence->open_tree(state_.config().name) : nullptr),
      scan_timer_(context.io),
      deploy_timer_(context.io),
      recorder_(std::make_shared<DriftRecorder>(context.io, context.workers, context.history, state_)),
      touches_(std::make_shared<TouchRecorder>(context.io, context.workers, context.touches, state_.config().name)),
      calm_timer_(context.io),
      settle_timer_(context.io),
      pause_timer_(context.io) {}

void TreeMonitor::start() {
  finder_ = std::make_shared<ReleaseFinder>(
      context_.io, context_.workers, threads_,
      [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self ? self->ask_for_release() : nullptr;
      },
      [weak = weak_from_this()]() -> std::optional<std::uint64_t> {
        const auto self = weak.lock();
        if (!self || !self->state_.may_be_another_release()) return std::nullopt;
        return self->state_.drift_version();
      },
      [weak = weak_from_this()](const std::string& release) {
        if (const auto self = weak.lock()) self->on_other_release(release);
      });
  // Lives no longer than this object does, as the poller.
  coverage_ = std::make_shared<TreeCoverage>(
      context_.io, context_.workers, threads_, context_.hub, context_.sieve, state_.config().name, state_.config().root,
      TreeCoverage::Owner{[this] { return context_.places->at(state_.config().name).root.native(); },
                          [this] { return generation_; },
                          [this](bool events, const std::string& refusal) { state_.set_watching(events, refusal); },
                          [this](const scanner::Dirty& dirty, Clock::time_point since) { on_dirty(dirty, since); },
                          [this] { start_scan(Depth::full, Pace::free); }, [this] { on_lost(); }});
  recorder_->start();
  // The poller lives no longer than this object does.
  poller_ = std::make_shared<ManifestPoller>(
      context_.io, context_.workers, threads_, context_.store, state_.config(),
      ManifestPoller::Owner{
          [this] { return context_.config; }, [this] { return state_.manifest() ? state_.standing() : known_; },
          [this](const TreePlace& place) { context_.located(state_.config().name, place); },
          [this](ManifestPoller::Decided decided) { on_decided(std::move(decided)); }, [this] { on_root_moved(); }});
  poller_->start();
}

TreeMonitor::~TreeMonitor() {
  if (poller_) poller_->stop();
  if (coverage_) coverage_->stop();
}

void TreeMonitor::stop() {
  stopped_ = true;
  scan_timer_.cancel();
  deploy_timer_.cancel();
  if (poller_) poller_->stop();
  if (coverage_) coverage_->stop();
  if (finder_) finder_->stop();
  recorder_->stop();
  touches_->stop();
  calm_timer_.cancel();
  settle_timer_.cancel();
  context_.workers.close_tree(threads_);
}

void TreeMonitor::reload() { poller_->reload(); }

void TreeMonitor::on_root_moved() {
  forget_plan();
  state_.root_changed();
  context_.publish();
}

void TreeMonitor::forget_plan() {
  ++generation_;
  plan_.reset();
  cache_.reset();
  unread_ = {};
  unread_since_.reset();
  if (reading_) reading_->given_up.request_stop();
}

void TreeMonitor::on_decided(ManifestPoller::Decided decided) {
  const Standing before = state_.standing();
  // What an earlier monitor of the tree had decided it has told of.
  const Standing told = last_decision();
  is_decided_ = true;
  known_ = {};
  const auto news = state_.take(std::move(decided.standing), wall_clock(), boot_clock());
  log_standing(state_.config().name, told, state_.standing(), news);
  if (decided.root_moved) state_.root_changed();
  if (news != TreeState::News::none && before.manifest) touches_->hush(TouchRecorder::kDeployTail);
  if (news != TreeState::News::none || decided.root_moved) {
    pending_ = {};
    forget_plan();
    await_deploy_deadline();
    start_scan(Depth::full, Pace::free);
  } else if (decided.is_reloaded) {
    // The other trees may have changed, and with them what is left out of this one.
    look_at_everything();
  }
  context_.publish();
}

void TreeMonitor::on_tick(Clock::time_point now) {
  if (awaits_places_) start_scan(*awaits_places_, Pace::free);
  warn_if_late(now);
  coverage_->on_tick(now);
  const auto& name = state_.config().name;
  if (std::max(threads_->standstill(now), coverage_->standstill(now)) >= kHangs) {
    answered_at_.reset();
    if (state_.is_stalled()) return;
    state_.set_stalled(true);
    spdlog::error("{}: its file system has not answered for {} s; nothing is known of the tree until it does", name,
                  kHangs.count());
  } else if (state_.is_stalled() && !answered_at_) {
    answered_at_ = now;
    spdlog::warn("{}: its file system answers again; looking at everything", name);
    if (!state_.manifest()) return end_stall();
    start_scan(Depth::full, Pace::free);
  }
}

void TreeMonitor::end_stall() {
  answered_at_.reset();
  state_.set_stalled(false);
}

bool TreeMonitor::may_rely_on_places() const {
  return Clock::now() >= context_.places_known_by || std::all_of(context_.places->begin(), context_.places->end(),
                                                                 [](const auto& one) { return one.second.is_known; });
}

bool TreeMonitor::is_plan_outdated() const {
  return plan_ && plan_->exemptions != exemptions_for(state_.config().name, *context_.places);
}

void TreeMonitor::on_places() {
  if (awaits_places_) return start_scan(*awaits_places_, Pace::free);
  if (is_plan_outdated()) look_at_everything();
}

void TreeMonitor::await_deploy_deadline() {
  const auto deadline = state_.deploy_deadline();
  if (!deadline) return;
  deploy_timer_.expires_after(*deadline - boot_clock());
  deploy_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_ || !self->state_.deploy_deadline()) return;
    const auto changes = self->state_.deploy_timed_out(wall_clock());
    const auto& standing = self->state_.standing();
    const auto& drift = self->state_.drift();
    spdlog::warn("{}: the deploy of {} is stuck: {} paths are still as {} has them, {} could not be verified",
                 self->state_.config().name, escape(standing.manifest->header().release), drift.pending().size(),
                 escape(standing.previous->header().release), drift.unverified().size());
    self->recorder_->record(changes);
    self->context_.publish();
    self->finder_->look_later();
  });
}

void TreeMonitor::end_deploy_if_done() {
  if (!state_.is_deployed()) return;
  const auto& name = state_.config().name;
  spdlog::info("{}: the deploy of {} is complete", name, escape(state_.manifest()->header().release));
  const auto from = state_.standing().previous->identity();
  state_.deploy_ended();
  touches_->hush(TouchRecorder::kDeployTail);
  deploy_timer_.cancel();
  if (plan_) {
    auto plan = std::make_shared<scanner::ScanPlan>(*plan_);
    plan->previous.reset();
    plan_ = std::move(plan);
  }
  context_.workers.record(
      [&store = context_.store, name, from](const WorkContext&) { return store.end_transition(name, from); },
      [name](const manifests::Result<void>& done) {
        if (!done) spdlog::error("{}: {}", name, done.error().message);
      });
}

std::unique_ptr<ReleaseFinder::Question> TreeMonitor::ask_for_release() const {
  if (!plan_ || !state_.may_be_another_release()) return nullptr;
  auto question = std::make_unique<ReleaseFinder::Question>();
  question->config = context_.config;
  question->tree = state_.config();
  question->plan = plan_;
  question->version = state_.drift_version();
  for (const auto& [path, open] : state_.drift().open()) {
    if (is_in_no_release(open.finding)) return nullptr;
    const auto relative = RelPath::parse(path);
    relative ? question->differing.add(*relative) : question->differing.add_whole();
  }
  return question;
}

void TreeMonitor::on_other_release(const std::string& release) {
  spdlog::warn("{}: the tree is exactly {}, expected {}", state_.config().name, escape(release),
               escape(state_.manifest()->header().release));
  state_.set_exactly(release);
  context_.publish();
}

void TreeMonitor::record(const scanner::DriftChanges& changes, Touches touches) {
  recorder_->record(changes);
  // A deploy leaves everything as it is listed.
  if (state_.deploy_deadline()) return;
  touches_->record(std::move(touches), changes, {wall_clock(), plan_->manifest->identity(), {}});
}

void TreeMonitor::on_watch(const std::shared_ptr<const scanner::WatchBatch>& batch) {
  if (!state_.watching_events()) return;
  state_.count_events(batch->received, batch->overflow);
  if (!batch->failure.empty()) state_.set_watching(false, batch->failure);
  if (!batch->failure.empty()) start_scan(Depth::full, Pace::free);
  coverage_->on_batch(batch);
}

void TreeMonitor::on_mounts(const scanner::MountChanges& changes) {
  coverage_->on_mounts(changes);
  mounts_changed_in_rescan_ = rescanning_;
  if (reading_) reading_->mounts_changed = true;
  for (auto* scan : {&scan_, &long_scan_}) {
    if (*scan) (*scan)->mounts_changed = true;
  }
  look_behind_mounts();
}

}  // namespace driftd::daemon
