#include "scanner/throttle.hpp"

#include <algorithm>

namespace driftd::scanner {

using namespace std::chrono_literals;

Throttle::Clock::time_point Throttle::Budget::spend(std::uint64_t amount, Clock::time_point now) {
  if (!per_second) return now;
  const std::chrono::duration<double> price(static_cast<double>(amount) / static_cast<double>(*per_second));
  paid_until = std::max(paid_until, now - 100ms) + std::chrono::duration_cast<Clock::duration>(price);
  return paid_until;
}

void Throttle::spend(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto now = Clock::now();
  const auto until = std::max(bytes_.spend(bytes, now), reads_.spend(1, now));
  while (!is_lifted_ && Clock::now() < until && !stop.stop_requested()) {
    lifted_changes_.wait_until(lock, stop, std::min(until, Clock::now() + 1s), [this] { return is_lifted_; });
    ScanProgress::Place::count(place.steps);
  }
}

void Throttle::lift() {
  const std::lock_guard lock(mutex_);
  is_lifted_ = true;
  lifted_changes_.notify_all();
}

}  // namespace driftd::scanner
