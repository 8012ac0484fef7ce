#include "daemon/manifest_poller.hpp"

#include <exception>
#include <utility>

#include "daemon/clock.hpp"
#include "daemon/fingerprint.hpp"
#include "daemon/tree_loader.hpp"
#include "manifests/version.hpp"

namespace driftd::daemon {
namespace {

constexpr auto kPoll = std::chrono::seconds(1);
/// Deploy tools replace manifest and signature not quite at once.
constexpr auto kTornReplace = std::chrono::seconds(2);
constexpr auto kLookAgain = std::chrono::seconds(30);

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
    case ErrorCode::stalled:
    case ErrorCode::unreadable:
    case ErrorCode::trust: return true;
    default: return false;
  }
}

/// A manifest larger than the memory is one that cannot be read, and no reason to stop watching the others.
manifests::Error io_error(const TreeConfig& tree, const std::exception& exception) {
  return {manifests::ErrorCode::io, tree.manifest + ": " + exception.what()};
}

}  // namespace

struct ManifestPoller::Look {
  std::string fingerprint;
  TreePlace place;
};

struct ManifestPoller::Found {
  std::shared_ptr<const Config> config;
  std::string fingerprint;
  std::string root;
  bool reloaded;
  Offer offer;
};

void ManifestPoller::stop() {
  stopped_ = true;
  timer_.cancel();
}

void ManifestPoller::poll() {
  workers_.look(
      *threads_,
      [config = owner_.config(), tree = tree_](const WorkContext&) {
        return Look{fingerprint(tree, config->trust), find_place(tree)};
      },
      [weak = weak_from_this()](Look look) {
        if (const auto self = weak.lock(); self && !self->stopped_) self->on_look(std::move(look));
      });
}

void ManifestPoller::on_look(Look look) {
  owner_.located(std::move(look.place));
  // `trust reset` writes to the store from outside.
  workers_.record([&store = store_](const WorkContext&) { return std::to_string(store.version()); },
                  [weak = weak_from_this(), fingerprint = std::move(look.fingerprint)](const std::string& version) {
                    const auto self = weak.lock();
                    if (self && !self->stopped_) self->on_version(fingerprint + "state " + version + "\n");
                  });
}

void ManifestPoller::on_version(std::string fingerprint) {
  const bool is_due = load_again_at_ && Clock::now() >= *load_again_at_;
  const bool is_wanted = reload_ || is_due || fingerprint != fingerprint_;
  if (!loading_ && Clock::now() >= torn_until_ && is_wanted) load(std::move(fingerprint));
  await_poll();
}

void ManifestPoller::await_poll() {
  timer_.expires_after(kPoll);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error && !self->stopped_) self->poll();
  });
}

void ManifestPoller::load(std::string fingerprint) {
  loading_ = true;
  const auto work = [config = owner_.config(), tree = tree_, fingerprint = std::move(fingerprint),
                     reloaded = std::exchange(reload_, false)](const WorkContext& context) {
    const auto found = [&](Offer offer) {
      return Found{config, fingerprint, root_fingerprint(tree.root), reloaded, std::move(offer)};
    };
    try {
      return found(
          look_for_offer(config->trust, tree, config->limits.manifest_size, scanner::steps_of(context.progress)));
    } catch (const std::exception& exception) {
      return found({load_policy(config->trust, tree), io_error(tree, exception)});
    }
  };
  workers_.look(*threads_, work, [weak = weak_from_this()](Found found) {
    if (const auto self = weak.lock(); self && !self->stopped_) self->on_found(std::move(found));
  });
}

void ManifestPoller::on_found(Found found) {
  const bool has_moved = !root_.empty() && root_ != found.root;
  const auto shared = std::make_shared<Found>(std::move(found));
  const auto work = [shared, tree = tree_, before = owner_.before(), &store = store_,
                     arrival = has_moved ? Arrival::flip : Arrival::in_place](const WorkContext&) {
    const StandingInputs inputs{tree, shared->config->limits.manifest_size, wall_clock(), manifests::kRevisionTime,
                                arrival};
    try {
      return decide(inputs, std::move(shared->offer), before, store);
    } catch (const std::exception& exception) {
      Standing kept = before;
      kept.problem = io_error(tree, exception);
      return kept;
    }
  };
  workers_.record(work, [weak = weak_from_this(), shared](Standing standing) {
    if (const auto self = weak.lock(); self && !self->stopped_) self->on_decided(std::move(standing), *shared);
  });
}

void ManifestPoller::on_decided(Standing standing, const Found& found) {
  loading_ = false;
  if (may_be_torn(standing, found)) return;
  retried_ = false;
  const bool root_moved = !root_.empty() && root_ != found.root;
  root_ = found.root;
  fingerprint_ = found.fingerprint;
  load_again_at_.reset();
  if (may_heal_by_itself(standing)) load_again_at_ = Clock::now() + kLookAgain;
  owner_.decided({std::move(standing), root_moved, found.reloaded});
}

bool ManifestPoller::may_be_torn(const Standing& standing, const Found& found) {
  if (!standing.problem || retried_ || !is_torn(*standing.problem)) return false;
  retried_ = true;
  reload_ = reload_ || found.reloaded;
  torn_until_ = Clock::now() + kTornReplace;
  load_again_at_ = torn_until_;
  // Whatever the manifest turns out to be, nothing is known of what stands there now.
  if (!root_.empty() && root_ != found.root) owner_.root_moved();
  return true;
}

}  // namespace driftd::daemon
