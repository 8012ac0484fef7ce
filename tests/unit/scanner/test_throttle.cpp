#include <chrono>
#include <stop_token>
#include <thread>

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
    for (int i = 0; i < 1000; ++i) throttle.spend(1 << 20, place, {});
  });
  CHECK(taken < 5s);  // a bound for any machine; at the rate itself it is a microsecond
}

TEST_CASE("more than the allowance of a tenth of a second is waited for") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  // 0.3 s worth, of which 0.1 s may be allowed at once.
  CHECK(time_of([&] { throttle.spend(300, place, {}); }) >= 199ms);
}

TEST_CASE("all threads share one rate") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  Place other_place;
  const auto taken = time_of([&] {
    std::jthread other([&] { throttle.spend(200, other_place, {}); });
    throttle.spend(200, place, {});
  });
  CHECK(taken >= 299ms);
}

TEST_CASE("a stop request ends a wait that would take for ever, and every later one") {
  Throttle throttle(ReadLimits{1, {}});
  Place place;
  Place other_place;
  std::stop_source stop;
  const auto taken = time_of([&] {
    std::jthread waiting([&] { throttle.spend(1'000'000, other_place, stop.get_token()); });
    stop.request_stop();
    waiting.join();
    throttle.spend(1'000'000, place, stop.get_token());
  });
  CHECK(taken < 60s);
}

TEST_CASE("a wait for the rate goes on counting, so that nobody takes it for a standstill") {
  Throttle throttle(ReadLimits{1000, {}});
  Place place;
  throttle.spend(2300, place, {});  // 2.2 s
  CHECK(place.steps >= 3);
}

TEST_CASE("reads are counted beside their bytes, and the limit that is reached first decides") {
  Place place;
  Throttle few_reads(ReadLimits{1ULL << 50U, 100});
  CHECK(time_of([&] {
          for (int i = 0; i < 30; ++i) few_reads.spend(1, place, {});
        }) >= 199ms);
  Throttle few_bytes(ReadLimits{1000, 1'000'000});
  CHECK(time_of([&] { few_bytes.spend(300, place, {}); }) >= 199ms);
  Throttle none(ReadLimits{});
  CHECK(time_of([&] {
          for (int i = 0; i < 1000; ++i) none.spend(1 << 20, place, {});
        }) < 5s);
}

TEST_CASE("where the limits are lifted nobody waits any more") {
  Throttle throttle(ReadLimits{1, {}});
  Place place;
  Place other_place;
  const auto taken = time_of([&] {
    std::jthread waiting([&] { throttle.spend(1'000'000, other_place, {}); });
    std::this_thread::sleep_for(50ms);
    throttle.lift();
    waiting.join();
    throttle.spend(1'000'000, place, {});
  });
  CHECK(taken < 60s);
}
