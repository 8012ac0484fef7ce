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

/// About 17 MB.
constexpr std::size_t kMostWaitingEvents = 100'000;
/// For what nobody tells: where mounts cannot be watched, and what nobody has thought of.
constexpr auto kCheckInterval = std::chrono::minutes(1);
/// A little longer than the manifest and the root's identity go without a look (ManifestPoller).
constexpr auto kUntilReleaseIsKnown = std::chrono::milliseconds(1500);

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
                           WatchHub& hub, std::string name, std::string root, Owner owner)
    : workers_(workers),
      threads_(std::move(threads)),
      hub_(hub),
      name_(std::move(name)),
      root_(std::move(root)),
      owner_(std::move(owner)),
      soon_(io) {}

void TreeCoverage::stop() {
  stopped_ = true;
  soon_.cancel();
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
                            std::vector<scanner::KnownFile> files) {
  const Scope missed = files_.end_look(look, seen, manifest, std::move(files));
  if (!missed.empty()) owner_.dirty(missed, Clock::now());
}

void TreeCoverage::on_tick(Clock::time_point now) {
  if (now < next_check_) return;
  next_check_ = now + kCheckInterval;
  check(Change::perhaps);
}

void TreeCoverage::on_batch(const scanner::WatchBatch& batch) {
  if (!coverage_.events) return;
  std::vector<scanner::WatchEvent> events;
  std::copy_if(batch.events.begin(), batch.events.end(), std::back_inserter(events),
               [&](const auto& event) { return coverage_.events->may_concern(event); });
  if (events.empty()) return;
  for (const auto& event : events) {
    if (!event.target.bytes.empty()) files_.touched(scanner::file_number(event.target));
  }
  const std::size_t count = events.size();
  // What the looks cannot keep up with is given up for one look at everything, before it fills the memory.
  if (waiting_events_ + count > kMostWaitingEvents) return owner_.dirty(Scope::whole(), batch.since);
  waiting_events_ += count;
  workers_.look(
      *threads_,
      [paths = coverage_.events, known = files_.known(), events = std::move(events)](const WorkContext&) {
        return paths->resolve(events, known);
      },
      [weak = weak_from_this(), count, since = batch.since](const std::optional<Scope>& dirty) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->waiting_events_ -= count;
        if (!dirty) return self->look_at_everything_soon();
        if (!dirty->empty()) self->owner_.dirty(*dirty, since);
      });
}

void TreeCoverage::on_mounts(const scanner::MountChanges& changes) {
  const Scope covered_up = below(owner_.place(), changes.points);
  if (!covered_up.empty()) owner_.dirty(covered_up, Clock::now());
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

void TreeCoverage::look_at_everything_soon() {
  if (is_look_due_) return;
  is_look_due_ = true;
  soon_.expires_after(kUntilReleaseIsKnown);
  soon_.async_wait([weak = weak_from_this(), generation = owner_.generation()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->is_look_due_ = false;
    if (generation == self->owner_.generation()) self->owner_.missed();
  });
}

}  // namespace driftd::daemon
