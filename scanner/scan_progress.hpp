#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace driftd::scanner {

/// How far work on a file system has come, for who watches it from another thread. Each thread that does the work
/// counts in a place of its own, so that counting costs next to nothing.
class ScanProgress {
 public:
  /// Written by one thread, read by any.
  struct Place {
    std::atomic<std::uint64_t> entries{0};  ///< of the manifest, judged; told in steps, not at each file
    std::atomic<std::uint64_t> bytes{0};    ///< read and hashed
    /// Grows with every answer of the file system, and while the thread pauses because it is meant to. Where it does
    /// not grow, the thread waits for an answer.
    std::atomic<std::uint64_t> steps{0};

    static void count(std::atomic<std::uint64_t>& counter, std::uint64_t more = 1) {
      counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
  };

  struct Totals {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t steps = 0;
  };

  /// A thread's place; stays for as long as this object.
  Place& add_place() {
    const std::lock_guard lock(mutex_);
    return places_.emplace_back().place;
  }

  [[nodiscard]] Totals totals() const {
    const std::lock_guard lock(mutex_);
    Totals totals;
    for (const auto& [place] : places_) {
      totals.entries += place.entries.load(std::memory_order_relaxed);
      totals.bytes += place.bytes.load(std::memory_order_relaxed);
      totals.steps += place.steps.load(std::memory_order_relaxed);
    }
    return totals;
  }

 private:
  /// Threads must not slow each other down by counting in one cache line.
  struct alignas(64) OwnLine {
    Place place;
  };

  mutable std::mutex mutex_;
  std::deque<OwnLine> places_;
};

/// Counts a step in a place of its own each time it is called, by any thread.
inline std::function<void()> steps_of(const std::shared_ptr<ScanProgress>& progress) {
  return [progress, &place = progress->add_place()] { place.steps.fetch_add(1, std::memory_order_relaxed); };
}

}  // namespace driftd::scanner
