#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/clock.hpp"
#include "daemon/tree_monitor.hpp"

/// What a TreeMonitor does about paths at which something has happened.
namespace driftd::daemon {
namespace {

using manifests::RelPath;

/// An editor's write, rename and delete become one look.
constexpr auto kSettle = std::chrono::milliseconds(100);
constexpr auto kShortestCalm = std::chrono::seconds(1);
constexpr auto kLongestCalm = std::chrono::seconds(60);
/// More changed paths than this are cheaper to find by looking at everything.
constexpr std::size_t kMostPending = 20'000;
/// What a look reads while others wait for it: a third of a second's work for a slow disk.
constexpr std::uint64_t kMostContent = 32 * 1024 * 1024;
/// What is opened and closed again and again need not be read all the time.
constexpr auto kLongestPause = std::chrono::seconds(60);

bool is_unstable(const scanner::Unverified& one) { return one.reason == scanner::UnverifiedReason::unstable; }

/// What the look saw to the end; the rest is whose reading is to come, or under way.
scanner::Scope read_in(const scanner::ScanResult& result, const std::vector<std::string>& unread) {
  if (result.scope.is_whole()) return result.scope;
  scanner::Scope read;
  for (const RelPath& path : result.scope.paths()) {
    if (!std::binary_search(unread.begin(), unread.end(), path.str())) read.add(path);
  }
  return read;
}

}  // namespace

void TreeMonitor::look_behind_mounts() {
  scanner::Scope mounted;
  for (const auto& [path, unverified] : state_.drift().unverified()) {
    const auto relative = RelPath::parse(path);
    if (relative && unverified.reason == scanner::UnverifiedReason::mount) mounted.add(*relative);
  }
  if (!mounted.empty()) on_dirty({std::move(mounted)}, Clock::now());
}

void TreeMonitor::on_dirty(const scanner::Dirty& dirty, Clock::time_point since) {
  if (dirty.anywhere) {
    spdlog::debug("{}: which paths have changed is not known; looking at everything", state_.config().name);
    pending_.anywhere = true;
    if (evidence_) evidence_->doubt();
  }
  auto& paths = pending_.paths;
  for (const RelPath& path : dirty.paths.paths()) paths.add(*RelPath::parse(state_.drift().rescan_path(path.str())));
  if (paths.paths().size() > kMostPending) {
    forget(std::exchange(paths, {}));
    pending_.anywhere = true;
  }
  if (!pending_since_) pending_since_ = since;
  arm_rescan();
}

void TreeMonitor::await_calm() {
  const auto& unverified = state_.drift().unverified();
  const bool is_calm =
      std::none_of(unverified.begin(), unverified.end(), [](const auto& one) { return is_unstable(one.second); });
  if (is_calm) {
    calm_delay_ = {};
    calm_timer_.cancel();
    is_calm_awaited_ = false;
  }
  if (is_calm || is_calm_awaited_) return;
  is_calm_awaited_ = true;
  calm_delay_ = std::clamp<std::chrono::seconds>(calm_delay_ * 2, kShortestCalm, kLongestCalm);
  calm_timer_.expires_after(calm_delay_);
  calm_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->is_calm_awaited_ = false;
    self->look_at_unstable();
  });
}

void TreeMonitor::look_at_unstable() {
  scanner::Dirty unstable;
  for (const auto& [path, unverified] : state_.drift().unverified()) {
    if (!is_unstable(unverified) || is_to_be_read(path)) continue;
    const auto relative = RelPath::parse(path);
    relative ? unstable.paths.add(*relative) : void(unstable.anywhere = true);
  }
  unstable.empty() ? await_calm() : on_dirty(unstable, Clock::now());
}

void TreeMonitor::arm_rescan() {
  if (settling_ || rescanning_ || (!plan_ && !pending_.anywhere)) return;
  settling_ = true;
  settle_timer_.expires_after(kSettle);
  settle_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->settling_ = false;
    if (!error && !self->stopped_) self->start_rescan();
  });
}

void TreeMonitor::forget(const scanner::Scope& touched) {
  const auto release = plan_ ? plan_->manifest : state_.manifest();
  if (!cache_ || !release) return;  // nothing has been read yet
  const auto& manifest = release->manifest();
  for (const RelPath& path : touched.paths()) {
    const auto top = manifest.find(path.str());
    if (!top) continue;
    for (auto entry = *top; entry < manifest.subtree_end(*top); ++entry) cache_->forget(entry);
  }
}

void TreeMonitor::start_rescan() {
  const scanner::Dirty dirty = std::exchange(pending_, {});
  const auto since = std::exchange(pending_since_, std::nullopt).value_or(Clock::now());
  if (dirty.empty()) return;
  // Also where a rescan follows: a quick scan that begins while it runs has the last word.
  forget(dirty.paths);
  if (dirty.anywhere || !plan_) return look_at_everything();
  rescanning_ = true;
  scanner::ScanOptions options = look_options();
  // During a deploy nothing is clean anyway, and much is read twice.
  if (!plan_->previous) options.most_content = kMostContent;
  context_.workers.look(
      *threads_,
      [plan = plan_, scope = dirty.paths, options, evidence = evidence_](const WorkContext& context) {
        return rescan(plan, scope, options, evidence.get(), context);
      },
      [weak = weak_from_this(), generation = generation_, since, plan = plan_,
       look = coverage_->begin_look(TreeFiles::Seen::somewhere)](Rescanned rescanned) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        if (self->plan_ == plan) self->plan_ = rescanned.plan;
        self->on_rescan(std::move(rescanned), *look, generation, since);
      });
}

scanner::ScanOptions TreeMonitor::look_options() const {
  scanner::ScanOptions options;
  options.threads = context_.config->limits.threads;
  options.cache = cache_;
  options.root = coverage_->root();
  return options;
}

void TreeMonitor::on_rescan(Rescanned rescanned, const TreeFiles::Look& look, unsigned generation,
                            Clock::time_point since) {
  rescanning_ = false;
  if (generation == generation_) {
    if (is_outdated(rescanned)) {
      on_dirty({std::move(rescanned.result->scope)}, since);
    } else if (rescanned.result) {
      const auto unread = std::move(rescanned.result->unread);
      for (const std::string& path : unread) unread_.add(*RelPath::parse(path));
      if (!unread.empty() && !unread_since_) unread_since_ = since;
      if (reading_ && rescanned.began >= reading_->wanted_at)
        reading_->newer.add_all(read_in(*rescanned.result, unread));
      take(std::move(rescanned), look, {}, since);
      read_the_rest();
    } else {
      start_scan(Depth::full, Pace::free);
    }
  }
  if (std::exchange(mounts_changed_in_rescan_, false)) look_behind_mounts();
  if (!pending_.empty()) arm_rescan();
}

bool TreeMonitor::is_outdated(const Rescanned& rescanned) const {
  return rescanned.result && plan_ && rescanned.plan->exemptions != plan_->exemptions;
}

void TreeMonitor::take(Rescanned rescanned, const TreeFiles::Look& look, const scanner::Scope& newer,
                       Clock::time_point since) {
  // A scan that has been asked for may begin much later, and then sees what is newer.
  const auto began = scan_began();
  const bool is_later = began && rescanned.began >= *began;
  coverage_->end_look(look, TreeFiles::Seen::somewhere, plan_->manifest, std::move(rescanned.result->files), *cache_);
  Touches touches = touches_in(*rescanned.result, plan_->manifest->identity(), wall_clock());
  record(state_.rescan_done(std::move(*rescanned.result), wall_clock(), is_later, newer), std::move(touches));
  await_calm();
  end_deploy_if_done();
  context_.publish();
  finder_->look_later();
  context_.detected(std::chrono::duration<double>(Clock::now() - since).count());
}

bool TreeMonitor::is_to_be_read(const std::string& path) const {
  return unread_.covers(path) || (reading_ && reading_->scope.covers(path));
}

void TreeMonitor::read_the_rest() {
  if (reading_ || is_pausing_ || unread_.empty() || !plan_) return;
  reading_.emplace(Reading{.scope = std::exchange(unread_, {}), .wanted_at = Clock::now()});
  context_.workers.read(
      *threads_,
      [plan = plan_, scope = reading_->scope, options = look_options(), evidence = evidence_,
       given_up = reading_->given_up.get_token()](const WorkContext& context) {
        return rescan(plan, scope, options, evidence.get(), context, given_up);
      },
      [weak = weak_from_this(), generation = generation_,
       since = std::exchange(unread_since_, std::nullopt).value_or(Clock::now()),
       look = coverage_->begin_look(TreeFiles::Seen::somewhere)](Rescanned rescanned) {
        const auto self = weak.lock();
        if (self && !self->stopped_) self->on_read(std::move(rescanned), *look, generation, since);
      });
}

void TreeMonitor::on_read(Rescanned rescanned, const TreeFiles::Look& look, unsigned generation,
                          Clock::time_point since) {
  const Reading ended = *std::exchange(reading_, std::nullopt);
  if (generation != generation_) {
    if (plan_) await_calm();
  } else if (is_outdated(rescanned)) {
    on_dirty({ended.scope}, since);
  } else {
    rescanned.result ? take(std::move(rescanned), look, ended.newer, since) : start_scan(Depth::full, Pace::free);
  }
  if (ended.mounts_changed) look_behind_mounts();
  pause(std::min<Clock::duration>(Clock::now() - ended.wanted_at, kLongestPause));
}

void TreeMonitor::pause(Clock::duration duration) {
  is_pausing_ = true;
  pause_timer_.expires_after(duration);
  pause_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->is_pausing_ = false;
    self->read_the_rest();
  });
}

}  // namespace driftd::daemon
