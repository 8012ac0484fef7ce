#include "scanner/throttle.hpp"

#include <algorithm>
#include <condition_variable>

namespace driftd::scanner {

void Throttle::spend(std::uint64_t bytes, ScanProgress::Place& place, const std::stop_token& stop) {
  using namespace std::chrono_literals;
  const auto price = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(bytes_per_second_)));
  std::unique_lock lock(mutex_);
  next_ = std::max(next_, Clock::now() - 100ms) + price;
  const auto until = next_;
  // A wait on a condition that never comes is a sleep that a stop request ends.
  std::condition_variable_any never;
  while (Clock::now() < until && !stop.stop_requested()) {
    never.wait_until(lock, stop, std::min(until, Clock::now() + 1s), [] { return false; });
    ScanProgress::Place::count(place.steps);
  }
}

}  // namespace driftd::scanner
