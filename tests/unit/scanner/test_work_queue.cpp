#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/work_queue.hpp"

using driftd::scanner::WorkQueue;

namespace {

/// Runs `take(task)` for every task on `threads` threads until the queue says that all is done.
template <class Take>
void work(WorkQueue<int>& queue, unsigned threads, Take take) {
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      bool busy = false;
      while (const auto task = queue.next(busy)) {
        busy = true;
        take(*task);
      }
    });
  }
}

}  // namespace

TEST_CASE("an empty queue ends at once, for everybody") {
  WorkQueue<int> queue;
  CHECK(queue.empty());
  std::atomic<int> done = 0;
  work(queue, 4, [&](int) { ++done; });
  CHECK(done == 0);
}

TEST_CASE("last in, first out") {
  WorkQueue<int> queue;
  for (const int task : {1, 2, 3}) queue.push(task);
  CHECK_FALSE(queue.empty());
  CHECK(queue.next(false) == 3);
  CHECK(queue.next(true) == 2);
  queue.push(4);
  CHECK(queue.next(true) == 4);
  CHECK(queue.next(true) == 1);
  CHECK_FALSE(queue.next(true).has_value());
}

TEST_CASE("every task that tasks beget is done exactly once, and then all workers end") {
  for (const unsigned threads : {1U, 2U, 8U}) {
    for (int round = 0; round < 50; ++round) {
      WorkQueue<int> queue;
      constexpr int kDepth = 9;
      std::atomic<int> done = 0;
      queue.push(kDepth);
      work(queue, threads, [&](int depth) {
        ++done;
        for (int i = 0; i < 2 && depth > 0; ++i) queue.push(depth - 1);
      });
      CHECK(done == (1 << (kDepth + 1)) - 1);
    }
  }
}

TEST_CASE("cancelling ends the work whatever is left") {
  WorkQueue<int> queue;
  for (int i = 0; i < 1000; ++i) queue.push(i);
  std::atomic<int> done = 0;
  work(queue, 4, [&](int) {
    ++done;
    queue.push(0);  // never runs dry by itself
    queue.cancel();
  });
  CHECK(done >= 1);
  CHECK(done <= 4);
  CHECK_FALSE(queue.empty());
  CHECK_FALSE(queue.next(false).has_value());
}

TEST_CASE("a worker that waits is woken by a cancel") {
  WorkQueue<int> queue;
  queue.push(1);
  CHECK(queue.next(false) == 1);  // this thread is busy, so another has to wait for what it may push
  std::jthread waiting([&] { CHECK_FALSE(queue.next(false).has_value()); });
  queue.cancel();
}
