#include "scanner/throttle.hpp"

#include <algorithm>

namespace driftd::scanner {
namespace {

using namespace std::chrono_literals;
using Duration = std::chrono::steady_clock::duration;

constexpr std::uint64_t kReadsPerSecond = 20;

Duration price(std::uint64_t amount, std::uint64_t per_second) {
  // A wait that nobody sees the end of is long enough, and does not overflow.
  constexpr double kLongest = 1e8;
  const double seconds = static_cast<double>(amount) / static_cast<double>(per_second);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, kLongest)));
}

}  // namespace

Throttle::Clock::time_point Throttle::Budget::spend(std::uint64_t amount,
                                                    const std::optional<std::uint64_t>& per_second,
                                                    Clock::time_point now) {
  if (!per_second) return now;
  paid_until = std::max(paid_until, now - 100ms) + price(amount, *per_second);
  return paid_until;
}

void Throttle::pay(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto now = Clock::now();
  const auto until =
      std::max(bytes_.spend(bytes, limits_.bytes_per_second, now), reads_.spend(1, limits_.reads_per_second, now));
  const unsigned changes = changes_;
  while (changes_ == changes && Clock::now() < until && !stop.stop_requested()) {
    limits_change_.wait_until(lock, stop, std::min(until, Clock::now() + 1s), [&] { return changes_ != changes; });
    ScanProgress::Place::count(place.steps);
  }
  // It will not be read, and others need not wait for that.
  if (changes_ == changes && Clock::now() < until) {
    if (limits_.bytes_per_second) bytes_.paid_until -= price(bytes, *limits_.bytes_per_second);
    if (limits_.reads_per_second) reads_.paid_until -= price(1, *limits_.reads_per_second);
  }
}

void Throttle::give_back(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (limits_.bytes_per_second) bytes_.paid_until -= price(bytes, *limits_.bytes_per_second);
}

void Throttle::set_limits(const ReadLimits& limits) {
  const std::lock_guard lock(mutex_);
  if (limits == limits_) return;
  limits_ = limits;
  bytes_ = reads_ = {};
  ++changes_;
  limits_change_.notify_all();
}

bool Throttle::is_limiting() const {
  const std::lock_guard lock(mutex_);
  return limits_.any();
}

std::uint64_t Throttle::most_at_once() const {
  const std::lock_guard lock(mutex_);
  if (!limits_.bytes_per_second) return UINT64_MAX;
  const std::uint64_t reads = std::min(kReadsPerSecond, limits_.reads_per_second.value_or(kReadsPerSecond));
  return *limits_.bytes_per_second / std::max<std::uint64_t>(reads, 1);
}

}  // namespace driftd::scanner
