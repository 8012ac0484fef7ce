#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/freed_memory.hpp"
#include "daemon/tree_monitor.hpp"

/// What a TreeMonitor does about scans of the whole tree.
namespace driftd::daemon {
namespace {

constexpr auto kRetryFailedScan = std::chrono::seconds(30);
constexpr auto kRetryForPlaces = std::chrono::seconds(1);

TreeFiles::Seen seen_by(Depth depth) { return depth == Depth::full ? TreeFiles::Seen::all : TreeFiles::Seen::changed; }

const char* name_of(Depth depth) { return depth == Depth::full ? "full" : "quick"; }

}  // namespace

void TreeMonitor::start_scan(Depth depth, Pace pace) {
  if (!state_.manifest()) return;
  if (scan_) {
    if (depth == Depth::full && pace == Pace::free) scan_again(depth);
    return;
  }
  if (!may_rely_on_places()) {
    if (pace == Pace::limited) return await_scan(Clock::now() + kRetryForPlaces);
    if (awaits_places_ != Depth::full) awaits_places_ = depth;
    return;
  }
  if (std::exchange(awaits_places_, std::nullopt) == Depth::full || !plan_) depth = Depth::full;
  make_way(depth);
  again_.reset();
  state_.scan_started();
  RunningScan scan{.number = ++scans_, .depth = depth, .pace = pace, .wanted_at = Clock::now()};
  if (depth == Depth::quick) scan.completes = std::exchange(overtaken_, std::nullopt);
  const bool is_long = depth == Depth::full && pace == Pace::limited;
  begin_job((is_long ? long_scan_ : scan_).emplace(std::move(scan)));
  is_long ? await_scan(Clock::now() + with_jitter(state_.quick_interval())) : void(scan_timer_.cancel());
}

void TreeMonitor::make_way(Depth depth) {
  if (depth == Depth::full) {
    overtaken_.reset();
    if (long_scan_) long_scan_->given_up.request_stop();
    long_scan_.reset();
  } else if (long_scan_) {
    long_scan_->is_overtaken = true;
  }
}

void TreeMonitor::begin_job(const RunningScan& scan) {
  const bool is_limited = scan.pace == Pace::limited;
  const bool is_quick = scan.depth == Depth::quick;
  // There from the first scan on, so that what is touched meanwhile can be forgotten.
  if (!cache_) cache_ = std::make_shared<scanner::StatCache>(state_.manifest()->manifest().size());
  ScanKind kind = ScanKind::urgent;
  if (is_limited) kind = is_quick ? ScanKind::limited_quick : ScanKind::limited_full;
  ScanJob job{.depth = scan.depth,
              .config = context_.config,
              .places = context_.places,
              .tree = state_.config(),
              .manifest = is_quick ? plan_->manifest : state_.manifest(),
              .previous = state_.standing().previous,
              .generation = generation_,
              .throttle = is_limited ? context_.throttle : nullptr,
              .plan = is_quick && is_limited ? plan_ : nullptr,
              .cache = cache_,
              .began = scan.began,
              .evidence = evidence_,
              .given_up = scan.given_up.get_token()};
  // Watching comes first: what changes during the scan is then told.
  coverage_->cover([weak = weak_from_this(), job = std::move(job), number = scan.number, kind,
                    look = coverage_->begin_look(seen_by(scan.depth))]() mutable {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    job.root = self->coverage_->root();
    job.is_polled = !self->state_.watching_events();
    const auto work = [job](const WorkContext& context) { return run(job, context); };
    const auto then = [weak, number, look](Scanned scanned) {
      if (const auto alive = weak.lock(); alive && !alive->stopped_)
        alive->on_scanned(number, std::move(scanned), *look);
    };
    // What is slow for being far away keeps nobody waiting, and nothing here busy.
    const bool is_remote = job.places->at(job.tree.name).is_remote;
    is_remote ? self->context_.workers.scan_at_once(*self->threads_, kind, work, then)
              : self->context_.workers.scan(self->threads_, kind, work, then);
  });
}

void TreeMonitor::scan_again(Depth depth) {
  if (again_ != Depth::full) again_ = depth;
  if (scan_->pace == Pace::limited) scan_->given_up.request_stop();
}

void TreeMonitor::look_at_everything() {
  // What had been read already need not be read again.
  scan_ ? scan_again(Depth::quick) : start_scan(Depth::quick, Pace::free);
}

void TreeMonitor::on_lost() {
  lost_at_ = Clock::now();
  full_scan_at_ = std::min(full_scan_at_, lost_at_ + with_jitter(state_.quick_interval()));
  look_at_everything();
}

void TreeMonitor::on_scanned(unsigned number, Scanned scanned, const TreeFiles::Look& look) {
  const bool is_long = long_scan_ && long_scan_->number == number;
  if (!is_long && !(scan_ && scan_->number == number)) return;  // given up
  RunningScan ended = *std::exchange(is_long ? long_scan_ : scan_, std::nullopt);
  if (ended.given_up.stop_requested()) {
    if (ended.completes) overtaken_ = ended.completes;
    return go_on();
  }
  if (scanned.generation != generation_) return start_scan(Depth::full, Pace::free);
  if (answered_at_ && scanned.began >= *answered_at_) end_stall();
  if (!scanned.result) {
    on_failure(ended, scanned.result.error().message);
  } else if (ended.is_overtaken) {
    on_overtaken(ended, scanned, look);
  } else {
    on_result(ended, std::move(scanned), look);
  }
  if (ended.mounts_changed) look_behind_mounts();
  context_.publish();
  context_.workers.record([](const WorkContext&) { return give_back_freed_memory(), true; }, [](bool) {});
  go_on();
}

void TreeMonitor::on_overtaken(const RunningScan& ended, Scanned& scanned, const TreeFiles::Look& look) {
  auto plan = std::make_shared<scanner::ScanPlan>(*scanned.plan);
  plan->previous = plan_ ? plan_->previous : nullptr;  // a deploy may have ended meanwhile
  plan_ = std::move(plan);
  coverage_->end_look(look, TreeFiles::Seen::all, plan_->manifest, std::move(scanned.result->files), *cache_);
  overtaken_ = {ended.number, scanned.began, scanned.duration, scanned.result->hashed_files,
                scanned.result->hashed_bytes};
}

void TreeMonitor::on_result(const RunningScan& ended, Scanned scanned, const TreeFiles::Look& look) {
  const auto& name = state_.config().name;
  const Depth depth = ended.completes ? Depth::full : ended.depth;
  const bool is_full = depth == Depth::full;
  if (ended.completes) {
    scanned.duration += ended.completes->duration;
    scanned.result->hashed_files += ended.completes->hashed_files;
    scanned.result->hashed_bytes += ended.completes->hashed_bytes;
  }
  if (is_full) last_judged_ = ended.number;
  if (is_full) has_failed_ = false;
  if (reading_ && scanned.began >= reading_->wanted_at) reading_->newer.add_whole();
  plan_ = scanned.plan;
  if (plan_->previous && !state_.standing().previous) {  // the deploy has ended meanwhile
    auto plan = std::make_shared<scanner::ScanPlan>(*plan_);
    plan->previous.reset();
    plan_ = std::move(plan);
  }
  if (is_full && evidence_ && !context_.places->at(name).is_remote)
    evidence_->watch(state_.config().root, plan_->manifest);
  coverage_->end_look(look, seen_by(ended.depth), plan_->manifest, std::move(scanned.result->files), *cache_);
  const std::uint64_t entries = scanned.result->entries;
  Touches touches = touches_in(*scanned.result, plan_->manifest->identity(), wall_clock());
  const auto changes =
      is_full ? state_.full_scan_done(std::move(*scanned.result), wall_clock(), boot_clock(), scanned.duration)
              : state_.quick_scan_done(std::move(*scanned.result), wall_clock(), boot_clock(), scanned.duration);
  const auto& drift = state_.drift();
  spdlog::log(is_full ? spdlog::level::info : spdlog::level::debug,
              "{}: {} scan of {} entries in {:.2f} s: {} drifted, {} unverified{}", name, name_of(depth), entries,
              scanned.duration.count(), drift.open().size(), drift.unverified().size(),
              drift.pending().empty() ? "" : fmt::format(", {} pending", drift.pending().size()));
  record(changes, std::move(touches));
  await_calm();
  end_deploy_if_done();
  finder_->look_later();
  const bool has_all = (ended.completes ? ended.completes->began : scanned.began) > lost_at_;
  if (is_full) full_scan_at_ = Clock::now() + with_jitter(has_all ? state_.full_interval() : state_.quick_interval());
  if (is_full && ended.pace == Pace::limited && scanned.duration < state_.full_interval()) is_lateness_told_ = false;
  const auto quick_scan_at = Clock::now() + with_jitter(state_.quick_interval());
  await_scan(long_scan_ ? quick_scan_at : std::min(full_scan_at_, quick_scan_at));
}

void TreeMonitor::on_failure(const RunningScan& ended, const std::string& why) {
  const Depth depth = ended.completes ? Depth::full : ended.depth;
  if (depth == Depth::full) last_judged_ = ended.number;
  has_failed_ = true;
  state_.scan_failed(depth, why);
  spdlog::error("{}: {} scan failed: {}", state_.config().name, name_of(depth), why);
  full_scan_at_ =
      Clock::now() +
      with_jitter(std::min<std::chrono::seconds>({state_.full_interval(), state_.quick_interval(), kRetryFailedScan}));
  await_scan(full_scan_at_);
}

void TreeMonitor::go_on() {
  if (!scan_) {
    if (again_) {
      start_scan(*again_, Pace::free);
    } else if (is_plan_outdated()) {
      start_scan(Depth::quick, Pace::free);
    } else if (overtaken_) {
      start_scan(Depth::quick, Pace::limited);
    }
  }
  if (!pending_.empty()) arm_rescan();
}

unsigned TreeMonitor::scan_now() {
  const unsigned number = scans_ + 1;
  start_scan(Depth::full, Pace::free);
  return number;
}

bool TreeMonitor::has_scanned(unsigned number) const {
  return last_judged_ >= number || (!state_.manifest() && !awaits_manifest()) || state_.is_stalled();
}

TreeSnapshot TreeMonitor::snapshot() const {
  TreeSnapshot snapshot = state_.snapshot(wall_clock(), boot_clock());
  snapshot.scanning = scan_ || long_scan_ || awaits_places_.has_value();
  if (snapshot.scanning || next_scan_at_ == Clock::time_point{}) return snapshot;
  const auto in_wall_time = [](Clock::time_point at) {
    return static_cast<double>(wall_clock()) + std::chrono::duration<double>(at - Clock::now()).count();
  };
  snapshot.full.next = in_wall_time(full_scan_at_);
  snapshot.quick.next = next_scan_at_ < full_scan_at_ ? in_wall_time(next_scan_at_) : 0;
  return snapshot;
}

void TreeMonitor::await_scan(Clock::time_point at) {
  next_scan_at_ = at;
  scan_timer_.expires_at(at);
  scan_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    const auto now = Clock::now();
    // The tree is unknown until that has ended, so nobody waits for the limits.
    const auto pace = self->has_failed_ ? Pace::free : Pace::limited;
    if (!self->long_scan_) return self->start_scan(now >= self->full_scan_at_ ? Depth::full : Depth::quick, pace);
    // Beside it, what is known is looked at; where nothing is yet, it is the one to tell.
    if (self->plan_) return self->start_scan(Depth::quick, Pace::limited);
    self->await_scan(now + with_jitter(self->state_.quick_interval()));
  });
}

void TreeMonitor::warn_if_late(Clock::time_point now) {
  if (is_lateness_told_ || !context_.throttle->is_limiting()) return;
  for (const auto* scan : {&scan_, &long_scan_}) {
    if (!*scan || (*scan)->pace == Pace::free) continue;
    const auto interval = (*scan)->depth == Depth::full ? state_.full_interval() : state_.quick_interval();
    if (now - (*scan)->wanted_at < interval) continue;
    is_lateness_told_ = true;
    return spdlog::warn(
        "{}: a {} scan takes longer than its interval of {} s: limits.read_rate and limits.read_ops are too small for "
        "that; they hold, and the tree is scanned less often",
        state_.config().name, name_of((*scan)->depth), interval.count());
  }
}

std::optional<TreeMonitor::Clock::time_point> TreeMonitor::scan_began() const {
  const bool is_long = !scan_ && long_scan_ && !long_scan_->is_overtaken;
  if (!scan_ && !is_long) return std::nullopt;
  const auto began = (is_long ? long_scan_ : scan_)->began->load();
  return began == Clock::time_point{} ? std::nullopt : std::optional(began);
}

}  // namespace driftd::daemon
