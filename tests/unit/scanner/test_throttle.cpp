#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <stop_token>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scanner/throttle.hpp"

using driftd::scanner::ReadLimits;
using driftd::scanner::ScanProgress;
using driftd::scanner::Throttle;
using namespace std::chrono_literals;

namespace {

template <class Work>
std::chrono::duration<double> time_of(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::steady_clock::now() - start;
}

using Place = ScanProgress::Place;

}  // namespace

TEST_CASE("a rate that is never reached costs no time") {
  Throttle throttle(ReadLimits{1ULL << 50U, {}});
  Place place;
  const auto taken = time_of([&] {
    for (int i = 0; i < 1000; ++i) throttle.pay(1 << 20, place, {});
  });
  CHECK(taken < 5s);  // a bound for any machine; at the rate itself it is a microsecond
}

TEST_CASE("more than the allowance of a tenth of a second is waited for") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  // 0.3 s worth, of which 0.1 s may be allowed at once.
  CHECK(time_of([&] { throttle.pay(300, place, {}); }) >= 199ms);
}

TEST_CASE("all threads share one rate") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  Place other_place;
  const auto taken = time_of([&] {
    std::jthread other([&] { throttle.pay(200, other_place, {}); });
    throttle.pay(200, place, {});
  });
  CHECK(taken >= 299ms);
}

TEST_CASE("a stop request ends a wait that would take for ever, and every later one") {
  Throttle throttle(ReadLimits{1, {}});
  Place place;
  Place other_place;
  std::stop_source stop;
  const auto taken = time_of([&] {
    std::jthread waiting([&] { throttle.pay(1'000'000, other_place, stop.get_token()); });
    stop.request_stop();
    waiting.join();
    throttle.pay(1'000'000, place, stop.get_token());
  });
  CHECK(taken < 60s);
}

TEST_CASE("a wait for the rate goes on counting, so that nobody takes it for a standstill") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  throttle.pay(2300, place, {});  // 2.2 s
  CHECK(place.steps >= 3);
}

TEST_CASE("reads are counted beside their bytes, and the limit that is reached first decides") {
  Place place;
  Throttle few_reads(ReadLimits{1ULL << 50U, 100});
  CHECK(time_of([&] {
          for (int i = 0; i < 30; ++i) few_reads.pay(1, place, {});
        }) >= 199ms);
  Throttle few_bytes(ReadLimits{1000, 1'000'000});
  CHECK(time_of([&] { few_bytes.pay(300, place, {}); }) >= 199ms);
  Throttle none(ReadLimits{});
  CHECK(time_of([&] {
          for (int i = 0; i < 1000; ++i) none.pay(1 << 20, place, {});
        }) < 5s);
}

TEST_CASE("what is read first is paid for, and what was not read is given back") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  throttle.pay(100, place, {});
  CHECK(time_of([&] { throttle.pay(300, place, {}); }) >= 199ms);
  std::stop_source stopped;
  stopped.request_stop();
  CHECK(time_of([&] {
          for (int i = 0; i < 1000; ++i) {
            throttle.pay(1'000'000'000, place, stopped.get_token());
          }
          throttle.pay(1, place, {});
        }) < 60s);
  throttle.pay(300, place, {});
  throttle.give_back(1'000'000);
  CHECK(time_of([&] { throttle.pay(400, place, {}); }) >= 299ms);  // and does not pile up either
}

TEST_CASE("who comes first is served first, and nobody is passed over") {
  Throttle throttle(ReadLimits{10'000, {}});
  std::vector<std::atomic<int>> served(8);
  const auto taken = time_of([&] {
    std::stop_source stop;
    std::vector<std::jthread> threads;
    for (auto& count : served) {
      threads.emplace_back([&] {
        for (Place place; !stop.stop_requested(); ++count) throttle.pay(50, place, stop.get_token());
      });
    }
    std::this_thread::sleep_for(2s);
    stop.request_stop();
  });
  CHECK(*std::min_element(served.begin(), served.end()) > 0);
  // With a tenth of a second's that had piled up, and what each had asked for when it was stopped.
  const auto all = std::accumulate(served.begin(), served.end(), 0);
  CHECK(all * 50 <= 10'000 * (taken.count() + 0.1) + 50 * 8);
}

TEST_CASE("other limits count for those who wait already") {
  Throttle throttle(ReadLimits{1, {}});
  Place place;
  Place other_place;
  CHECK(throttle.is_limiting());
  const auto taken = time_of([&] {
    std::jthread waiting([&] { throttle.pay(1'000'000, other_place, {}); });
    std::this_thread::sleep_for(50ms);
    throttle.set_limits(ReadLimits{1000, {}});
    waiting.join();
    throttle.pay(400, place, {});
  });
  CHECK(taken >= 299ms);
  CHECK(taken < 60s);
  throttle.set_limits({});
  CHECK_FALSE(throttle.is_limiting());
  CHECK(time_of([&] { throttle.pay(1'000'000'000, place, {}); }) < 5s);
}

TEST_CASE("the same limits once more change nothing") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  CHECK(time_of([&] {
          throttle.pay(100, place, {});
          throttle.set_limits(ReadLimits{1000, {}});
          throttle.pay(300, place, {});
        }) >= 199ms);
}

TEST_CASE("as much is read at once as keeps the limit in a short time, too") {
  CHECK(Throttle(ReadLimits{1'000'000, {}}).most_at_once() == 50'000);
  CHECK(Throttle(ReadLimits{1'000'000, 1000}).most_at_once() == 50'000);
  CHECK(Throttle(ReadLimits{1'000'000, 4}).most_at_once() == 250'000);
  CHECK(Throttle(ReadLimits{{}, 4}).most_at_once() == UINT64_MAX);
}
