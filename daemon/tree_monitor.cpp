#include "daemon/tree_monitor.hpp"

#include <exception>
#include <random>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/fingerprint.hpp"
#include "daemon/tree_loader.hpp"
#include "daemon/tree_log.hpp"
#include "manifests/escape.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

using manifests::escape;
using manifests::RelPath;
using manifests::Result;
using scanner::ScanResult;

constexpr auto kPoll = std::chrono::seconds(1);
/// Deploy tools replace manifest and signature not quite at once.
constexpr auto kTornReplace = std::chrono::seconds(2);
constexpr auto kLookAgain = std::chrono::seconds(30);
/// An editor's write, rename and delete become one look.
constexpr auto kSettle = std::chrono::milliseconds(100);
constexpr auto kRetryFailedScan = std::chrono::seconds(30);
/// More changed paths than this are cheaper to find by looking at everything.
constexpr std::size_t kMostPending = 20'000;

/// Ten per cent either way, so that a fleet does not scan in step.
std::chrono::milliseconds with_jitter(std::chrono::seconds interval) {
  static thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_real_distribution<double> factor(0.9, 1.1);
  return std::chrono::duration_cast<std::chrono::milliseconds>(interval * factor(random));
}

/// What a manifest and a signature look like that do not belong together yet.
bool is_torn(const manifests::Error& problem) {
  using manifests::ErrorCode;
  return problem.code == ErrorCode::signature || problem.code == ErrorCode::unreadable;
}

/// What may be otherwise without any file changing: a clock moves on, a disk has room again, a lock ends.
bool may_heal_by_itself(const Standing& standing) {
  using manifests::ErrorCode;
  if (standing.forgetful) return true;
  if (!standing.problem) return false;
  switch (standing.problem->code) {
    case ErrorCode::future:
    case ErrorCode::expired:
    case ErrorCode::io:
    case ErrorCode::unreadable:
    case ErrorCode::trust: return true;
    default: return false;
  }
}

}  // namespace

struct TreeMonitor::Loaded {
  std::string root;
  Standing standing;
  bool reloaded;  ///< because the configuration was
};

TreeMonitor::TreeMonitor(MonitorContext& context, TreeConfig config, Standing known)
    : context_(context),
      state_(std::move(config)),
      known_(std::move(known)),
      poll_timer_(context.io),
      scan_timer_(context.io),
      deploy_timer_(context.io),
      recorder_(std::make_shared<DriftRecorder>(context.io, context.workers, context.history, state_)),
      settle_timer_(context.io) {}

void TreeMonitor::start() {
  finder_ = std::make_shared<ReleaseFinder>(
      context_.io, context_.workers,
      [weak = weak_from_this()] {
        const auto self = weak.lock();
        return self ? self->ask_for_release() : nullptr;
      },
      [weak = weak_from_this()](const std::string& release) {
        if (const auto self = weak.lock()) self->on_other_release(release);
      });
  recorder_->start();
  poll();
}

void TreeMonitor::stop() {
  stopped_ = true;
  poll_timer_.cancel();
  scan_timer_.cancel();
  deploy_timer_.cancel();
  if (finder_) finder_->stop();
  recorder_->stop();
  settle_timer_.cancel();
}

void TreeMonitor::reload() { reload_ = true; }

void TreeMonitor::poll() {
  const auto config = context_.config;
  context_.workers.look(
      [config, tree = state_.config(), &store = context_.store](const std::stop_token&) {
        // `trust reset` writes to the store from outside.
        return fingerprint(tree, config->trust) + "state " + std::to_string(store.version()) + "\n";
      },
      [weak = weak_from_this()](std::string now) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        const bool is_due = self->load_again_at_ && Clock::now() >= *self->load_again_at_;
        const bool is_wanted = self->reload_ || is_due || now != self->fingerprint_;
        if (!self->loading_ && Clock::now() >= self->torn_until_ && is_wanted) self->load(std::move(now));
        self->poll_timer_.expires_after(kPoll);
        self->poll_timer_.async_wait([weak](boost::system::error_code error) {
          if (const auto alive = weak.lock(); alive && !error && !alive->stopped_) alive->poll();
        });
      });
}

void TreeMonitor::load(std::string fingerprint) {
  loading_ = true;
  const auto work = [config = context_.config, tree = state_.config(),
                     before = state_.manifest() ? state_.standing() : known_, root = root_, &store = context_.store,
                     reloaded = std::exchange(reload_, false)](const std::stop_token&) {
    const std::string now_root = root_fingerprint(tree.root);
    const bool has_moved = !root.empty() && root != now_root;
    const StandingInputs inputs{tree,
                                config->trust,
                                config->limits.manifest_size,
                                wall_clock(),
                                manifests::kRevisionTime,
                                has_moved ? Arrival::flip : Arrival::in_place};
    try {
      return Loaded{now_root, decide(inputs, before, store), reloaded};
    } catch (const std::exception& exception) {
      // A manifest larger than the memory is one that cannot be read, and no reason to stop watching the others.
      Standing kept = before;
      kept.problem = manifests::Error{manifests::ErrorCode::io, tree.manifest + ": " + exception.what()};
      return Loaded{now_root, std::move(kept), reloaded};
    }
  };
  context_.workers.look(work, [weak = weak_from_this(), fingerprint = std::move(fingerprint)](Loaded loaded) {
    if (const auto self = weak.lock(); self && !self->stopped_) self->on_loaded(std::move(loaded), fingerprint);
  });
}

void TreeMonitor::on_loaded(Loaded loaded, std::string fingerprint) {
  loading_ = false;
  const bool may_be_torn = loaded.standing.problem && !retried_ && is_torn(*loaded.standing.problem);
  if (may_be_torn) {
    retried_ = true;
    reload_ = reload_ || loaded.reloaded;
    torn_until_ = Clock::now() + kTornReplace;
    load_again_at_ = torn_until_;
    if (!root_.empty() && root_ != loaded.root) {
      // Whatever the manifest turns out to be, nothing is known of what stands there now.
      ++generation_;
      plan_.reset();
      cache_.reset();
      state_.root_changed();
      context_.publish();
    }
    return;
  }
  retried_ = false;
  const bool root_moved = !root_.empty() && root_ != loaded.root;
  root_ = std::move(loaded.root);
  fingerprint_ = std::move(fingerprint);

  load_again_at_.reset();
  if (may_heal_by_itself(loaded.standing)) load_again_at_ = Clock::now() + kLookAgain;
  known_ = {};
  const Standing before = state_.standing();
  const auto news = state_.take(std::move(loaded.standing), wall_clock(), boot_clock());
  log_standing(state_.config().name, before, state_.standing(), news);
  if (root_moved) state_.root_changed();
  if (news != TreeState::News::none || root_moved) {
    ++generation_;
    pending_ = {};
    plan_.reset();
    cache_.reset();
    await_deploy_deadline();
    start_scan(Depth::full, Pace::free);
  } else if (loaded.reloaded) {
    // The other trees may have changed, and with them what is left out of this one.
    start_scan(Depth::full, Pace::free);
  }
  context_.publish();
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
  deploy_timer_.cancel();
  if (plan_) {
    auto plan = std::make_shared<scanner::ScanPlan>(*plan_);
    plan->previous.reset();
    plan_ = std::move(plan);
  }
  context_.workers.look(
      [&store = context_.store, name, from](const std::stop_token&) { return store.end_transition(name, from); },
      [name](const Result<void>& done) {
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

void TreeMonitor::start_scan(Depth depth, Pace pace) {
  if (!state_.manifest()) return;
  if (scan_ != 0) {
    again_ = again_ || depth == Depth::full;
    return;
  }
  if (!plan_ || !cache_) depth = Depth::full;
  scan_ = ++scans_;
  again_ = false;
  scan_timer_.cancel();
  state_.scan_started();
  ScanJob job{depth,
              context_.config,
              state_.config(),
              state_.manifest(),
              state_.standing().previous,
              generation_,
              pace == Pace::limited,
              depth == Depth::quick ? plan_ : nullptr,
              cache_};
  // Watching comes first: what changes during the scan is then told.
  context_.workers.look(
      [&hub = context_.hub, tree = state_.config()](const std::stop_token&) { return hub.cover(tree.name, tree.root); },
      [weak = weak_from_this(), job = std::move(job)](const Result<void>& covered) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->on_covered(covered);
        self->context_.workers.scan([job](const std::stop_token& stop) { return run(job, stop); },
                                    [weak](Scanned scanned) {
                                      if (const auto alive = weak.lock(); alive && !alive->stopped_)
                                        alive->on_scanned(std::move(scanned));
                                    });
      });
}

void TreeMonitor::on_covered(const Result<void>& covered) {
  state_.set_watching(covered.has_value());
  const std::string mode = covered ? "events" : "polling (" + covered.error().message + ")";
  if (mode != logged_watch_) spdlog::info("{}: watching by {}", state_.config().name, mode);
  logged_watch_ = mode;
}

void TreeMonitor::on_scanned(Scanned scanned) {
  scan_ = 0;
  if (scanned.generation != generation_) return start_scan(Depth::full, Pace::free);
  const auto& name = state_.config().name;
  const bool is_full = scanned.depth == Depth::full;
  if (scanned.result) {
    plan_ = scanned.plan;
    cache_ = scanned.cache;
    const std::uint64_t entries = scanned.result->entries;
    const auto changes =
        is_full ? state_.full_scan_done(std::move(*scanned.result), wall_clock(), boot_clock(), scanned.duration)
                : state_.quick_scan_done(std::move(*scanned.result), wall_clock(), boot_clock(), scanned.duration);
    const auto& drift = state_.drift();
    spdlog::log(is_full ? spdlog::level::info : spdlog::level::debug,
                "{}: {} scan of {} entries in {:.2f} s: {} drifted, {} unverified{}", name, is_full ? "full" : "quick",
                entries, scanned.duration.count(), drift.open().size(), drift.unverified().size(),
                drift.pending().empty() ? "" : fmt::format(", {} pending", drift.pending().size()));
    recorder_->record(changes);
    end_deploy_if_done();
    finder_->look_later();
    if (is_full) full_scan_at_ = Clock::now() + with_jitter(state_.full_interval());
    await_scan(std::min(full_scan_at_, Clock::now() + with_jitter(state_.quick_interval())));
  } else {
    state_.scan_failed(scanned.depth, scanned.result.error().message);
    spdlog::error("{}: {} scan failed: {}", name, is_full ? "full" : "quick", scanned.result.error().message);
    full_scan_at_ = Clock::now() + with_jitter(std::min<std::chrono::seconds>(
                                       {state_.full_interval(), state_.quick_interval(), kRetryFailedScan}));
    await_scan(full_scan_at_);
  }
  context_.publish();
  if (again_) start_scan(Depth::full, Pace::free);
  if (!pending_.empty()) arm_rescan();
}

void TreeMonitor::await_scan(Clock::time_point at) {
  scan_timer_.expires_at(at);
  scan_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    const bool is_full_due = Clock::now() >= self->full_scan_at_;
    self->start_scan(is_full_due ? Depth::full : Depth::quick, Pace::limited);
  });
}

void TreeMonitor::on_dirty(const scanner::Scope& dirty, Clock::time_point since) {
  if (dirty.is_whole()) pending_.add_whole();
  for (const RelPath& path : dirty.paths()) pending_.add(*RelPath::parse(state_.drift().rescan_path(path.str())));
  if (pending_.paths().size() > kMostPending) pending_.add_whole();
  if (!pending_since_) pending_since_ = since;
  arm_rescan();
}

void TreeMonitor::on_events(std::uint64_t count, bool overflow) {
  state_.count_events(count, overflow);
  if (!overflow) return;
  spdlog::warn("{}: change events were lost; looking at everything", state_.config().name);
  start_scan(Depth::full, Pace::free);
}

void TreeMonitor::on_watch_lost() {
  state_.set_watching(false);
  start_scan(Depth::full, Pace::free);
}

void TreeMonitor::arm_rescan() {
  if (settling_ || rescanning_ || (!plan_ && !pending_.is_whole())) return;
  settling_ = true;
  settle_timer_.expires_after(kSettle);
  settle_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->settling_ = false;
    if (!error && !self->stopped_) self->start_rescan();
  });
}

void TreeMonitor::start_rescan() {
  const scanner::Scope scope = std::exchange(pending_, {});
  const auto since = std::exchange(pending_since_, std::nullopt).value_or(Clock::now());
  if (scope.empty()) return;
  if (scope.is_whole() || !plan_) return start_scan(Depth::full, Pace::free);
  rescanning_ = true;
  scanner::ScanOptions options;
  options.threads = context_.config->limits.threads;
  options.cache = cache_;
  context_.workers.look(
      [plan = plan_, scope, options](const std::stop_token& stop) { return scan_or_fail(*plan, scope, options, stop); },
      [weak = weak_from_this(), generation = generation_, scan = scan_, since](Result<ScanResult> result) {
        if (const auto self = weak.lock(); self && !self->stopped_)
          self->on_rescan(std::move(result), generation, scan, since);
      });
}

void TreeMonitor::on_rescan(Result<ScanResult> result, unsigned generation, unsigned scan, Clock::time_point since) {
  rescanning_ = false;
  if (generation == generation_) {
    if (result) {
      const bool is_later = scan != 0 && scan == scan_;
      recorder_->record(state_.rescan_done(std::move(*result), wall_clock(), is_later));
      end_deploy_if_done();
      context_.publish();
      finder_->look_later();
      context_.detected(std::chrono::duration<double>(Clock::now() - since).count());
    } else {
      start_scan(Depth::full, Pace::free);
    }
  }
  if (!pending_.empty()) arm_rescan();
}

}  // namespace driftd::daemon
