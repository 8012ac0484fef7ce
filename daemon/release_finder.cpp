#include "daemon/release_finder.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "daemon/exact_release.hpp"
#include "daemon/freed_memory.hpp"
#include "daemon/state_store.hpp"
#include "daemon/tree_loader.hpp"

namespace driftd::daemon {
namespace {

using Clock = std::chrono::steady_clock;

/// A tree that is being put back to another release by hand is not worth a name before it is at rest.
constexpr auto kRest = std::chrono::seconds(2);
/// How much longer it is left alone than a look takes: reading the kept manifests is not for nothing.
constexpr int kRestPerCost = 10;

struct Answer {
  std::uint64_t version;
  std::optional<std::string> release;
  Clock::duration cost;
};

std::optional<std::string> find_release(const ReleaseFinder::Question& question, const WorkContext& context) {
  const auto policy = load_policy(question.config->trust, question.tree);
  auto store = StateStore::open_for_reading(question.config->state_directory);
  if (!policy || !store) return std::nullopt;
  const KeptReleases kept{*store, question.tree, *policy, question.config->limits.manifest_size};
  scanner::ScanOptions options;
  options.threads = question.config->limits.threads;
  options.progress = context.progress;
  return find_exact_release(kept, *question.plan, question.differing, options, context.stop);
}

Answer find(const ReleaseFinder::Question& question, const WorkContext& context) {
  const auto start = Clock::now();
  Answer answer{question.version, {}, {}};
  try {
    answer.release = find_release(question, context);
  } catch (const std::exception&) {
    // No memory or no threads: there is no answer, and the findings stand one by one.
  }
  answer.cost = Clock::now() - start;
  return answer;
}
}  // namespace

void ReleaseFinder::look_later() {
  if (looking_ || stopped_) return;
  timer_.expires_after(std::max<Clock::duration>(kRest, kRestPerCost * cost_));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (const auto self = weak.lock(); self && !error && !self->stopped_) self->look();
  });
}

void ReleaseFinder::stop() {
  stopped_ = true;
  timer_.cancel();
}

void ReleaseFinder::look() {
  auto asked = ask_();
  if (!asked) return;
  looking_ = true;
  workers_.scan(
      threads_, ScanKind::urgent,
      [question = std::shared_ptr<const Question>(std::move(asked))](const WorkContext& context) {
        return find(*question, context);
      },
      [weak = weak_from_this()](const Answer& answer) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        self->looking_ = false;
        self->cost_ = answer.cost;
        self->workers_.record([](const WorkContext&) { return give_back_freed_memory(), true; }, [](bool) {});
        const auto now = self->version_();
        if (!now) return;
        if (*now != answer.version) return self->look_later();
        if (answer.release) self->found_(*answer.release);
      });
}

}  // namespace driftd::daemon
