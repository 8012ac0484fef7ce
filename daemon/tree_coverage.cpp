#include "daemon/tree_coverage.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"

namespace driftd::daemon {
namespace {

using manifests::RelPath;
using scanner::Scope;

/// About 17 MB, of which trees on the same file system wait for the same.
constexpr std::size_t kMostWaitingEvents = 100'000;
/// For what nobody tells: where mounts cannot be watched, and what nobody has thought of.
constexpr auto kCheckInterval = std::chrono::minutes(1);
/// A little longer than the manifest and the root's identity go without a look (ManifestPoller).
constexpr auto kUntilReleaseIsKnown = std::chrono::milliseconds(1500);

/// Between looks for what was lost.
constexpr auto kShortestLossInterval = std::chrono::seconds(5);
constexpr auto kLongestLossInterval = std::chrono::minutes(1);
constexpr auto kCalm = std::chrono::minutes(10);

/// Those of `points` that lie below `root`.
Scope below(const std::string& root, const std::set<std::string>& points) {
  Scope scope;
  const std::string prefix = root == "/" ? root : root + "/";
  for (const std::string& point : points) {
    if (!point.starts_with(prefix)) continue;
    if (const auto path = RelPath::parse(std::string_view(point).substr(prefix.size()))) scope.add(*path);
  }
  return scope;
}

}  // namespace

TreeCoverage::TreeCoverage(boost::asio::io_context& io, Workers& workers, std::shared_ptr<TreeThreads> threads,
                           WatchHub& hub, EventSieve& sieve, std::string name, std::string root, Owner owner)
    : workers_(workers),
      threads_(std::move(threads)),
      hub_(hub),
      sieve_(sieve),
      name_(std::move(name)),
      root_(std::move(root)),
      owner_(std::move(owner)),
      soon_(io),
      loss_timer_(io) {}

void TreeCoverage::stop() {
  stopped_ = true;
  soon_.cancel();
  loss_timer_.cancel();
}

void TreeCoverage::cover(std::function<void()> then) {
  workers_.look(
      *threads_, [&hub = hub_, root = root_](const WorkContext&) { return hub.cover(root); },
      [weak = weak_from_this(), then = std::move(then)](Coverage coverage) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->adopt(std::move(coverage));
        then();
      });
}

void TreeCoverage::adopt(Coverage coverage) {
  coverage_ = std::move(coverage);
  owner_.watching(coverage_.events != nullptr, coverage_.refusal);
  const std::string mode = coverage_.events ? "events" : "polling (" + coverage_.refusal + ")";
  if (mode != logged_) spdlog::info("{}: watching by {}", name_, mode);
  logged_ = mode;
}

void TreeCoverage::end_look(const TreeFiles::Look& look, TreeFiles::Seen seen, const ManifestPointer& manifest,
                            std::vector<scanner::KnownFile> files, scanner::StatCache& cache) {
  const auto missed = files_.end_look(look, seen, manifest, std::move(files), cache);
  if (!missed.empty()) owner_.dirty(missed, Clock::now());
}

void TreeCoverage::on_tick(Clock::time_point now) {
  if (now < next_check_) return;
  next_check_ = now + kCheckInterval;
  check(Change::perhaps);
}

void TreeCoverage::on_batch(const std::shared_ptr<const scanner::WatchBatch>& batch) {
  if (!coverage_.events) return;
  if (batch->overflow) look_for_what_was_lost();
  std::size_t count = 0;
  const bool is_looked_at = files_.is_looked_at();
  for (const auto& event : batch->events) {
    if (!coverage_.events->may_concern(event)) continue;
    ++count;
    if (is_looked_at && !event.target.bytes.empty()) files_.touched(scanner::file_number(event.target));
  }
  if (count == 0) return;
  // What the looks cannot keep up with is given up, before it fills the memory.
  if (waiting_events_ + count > kMostWaitingEvents) return look_for_what_was_lost();
  waiting_events_ += count;
  sieve_.put(batch, {owner_.place(), *coverage_.root, coverage_.handle, coverage_.events, files_.known()},
             [weak = weak_from_this(), count, since = batch->since](const EventSieve::Events& events) {
               const auto self = weak.lock();
               if (!self || self->stopped_) return;
               self->waiting_events_ -= count;
               if (!events) return self->look_for_what_was_lost();
               if (!events->empty()) self->look_up(events, since);
             });
}

void TreeCoverage::look_up(const EventSieve::Events& events, Clock::time_point since) {
  if (!coverage_.events) return;
  const std::size_t count = events->size();
  waiting_events_ += count;
  workers_.look(
      *threads_,
      [paths = coverage_.events, known = files_.known(), events](const WorkContext&) {
        return paths->look_up(*events, known);
      },
      [weak = weak_from_this(), count, since](const std::optional<scanner::Dirty>& dirty) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->waiting_events_ -= count;
        if (!dirty) return self->look_at_everything_soon();
        if (!dirty->empty()) self->owner_.dirty(*dirty, since);
      });
}

TreeCoverage::Clock::duration TreeCoverage::standstill(Clock::time_point now) const {
  return coverage_.events ? sieve_.standstill(*coverage_.root, now) : Clock::duration{};
}

void TreeCoverage::on_mounts(const scanner::MountChanges& changes) {
  Scope covered_up = below(owner_.place(), changes.points);
  if (!covered_up.empty()) owner_.dirty({std::move(covered_up)}, Clock::now());
  const bool is_own = coverage_.root && changes.mounts.contains(coverage_.root->mount);
  check(is_own ? Change::surely : Change::perhaps);
}

void TreeCoverage::check(Change change) {
  if (logged_.empty()) return;  // not watched yet
  if (checking_) {
    check_again_ = std::max(check_again_.value_or(change), change);
    return;
  }
  checking_ = true;
  workers_.look(
      *threads_,
      [&hub = hub_, root = root_, coverage = coverage_, change](const WorkContext&) -> std::optional<Coverage> {
        if (change == Change::perhaps && hub.still_holds(root, coverage)) return std::nullopt;
        return hub.cover(root);
      },
      [weak = weak_from_this()](std::optional<Coverage> coverage) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->checking_ = false;
        if (coverage) {
          spdlog::warn("{}: changes may have gone unseen; looking at everything", self->name_);
          self->adopt(std::move(*coverage));
          self->look_at_everything_soon();
        }
        if (const auto again = std::exchange(self->check_again_, std::nullopt)) self->check(*again);
      });
}

/// At once the first time. Whoever has the kernel lose events again and again, which takes nothing but files of one's
/// own on the same file system, does not keep the host scanning.
void TreeCoverage::look_for_what_was_lost() {
  if (is_loss_due_) return;
  is_loss_due_ = true;
  const auto now = Clock::now();
  if (now - last_loss_ > kCalm) loss_interval_ = {};
  loss_timer_.expires_at(last_loss_ + loss_interval_);
  loss_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->is_loss_due_ = false;
    self->last_loss_ = Clock::now();
    self->loss_interval_ =
        std::clamp<Clock::duration>(2 * self->loss_interval_, kShortestLossInterval, kLongestLossInterval);
    spdlog::warn("{}: change events were lost; looking at everything", self->name_);
    self->owner_.lost();
  });
}

void TreeCoverage::look_at_everything_soon() {
  look_wanted_in_ = owner_.generation();
  if (is_look_due_) return;
  is_look_due_ = true;
  soon_.expires_after(kUntilReleaseIsKnown);
  soon_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->is_look_due_ = false;
    if (self->look_wanted_in_ == self->owner_.generation()) self->owner_.missed();
  });
}

}  // namespace driftd::daemon
