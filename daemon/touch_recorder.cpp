#include "daemon/touch_recorder.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

namespace driftd::daemon {
namespace {

using manifests::Result;

/// `later` takes the place of what was there, and where both are too many the oldest go.
void add(Touches& touches, Touches later) {
  later.merge(touches);
  touches = std::move(later);
  if (touches.size() <= TouchStore::kMost) return;
  std::vector<Touches::iterator> all;
  for (auto at = touches.begin(); at != touches.end(); ++at) all.push_back(at);
  const auto limit = all.begin() + static_cast<std::ptrdiff_t>(touches.size() - TouchStore::kMost);
  std::nth_element(all.begin(), limit, all.end(),
                   [](const auto& one, const auto& other) { return one->second.at < other->second.at; });
  for (auto at = all.begin(); at != limit; ++at) touches.erase(*at);
}

}  // namespace

Touches touches_in(const scanner::ScanResult& result, const manifests::minisign::Prehash& identity, std::int64_t now) {
  Touches touches;
  for (const std::string& path : result.touched) {
    touches.emplace(path, Touch{now, identity, result.evidence.at(path)});
  }
  return touches;
}

void TouchRecorder::record(Touches touches, const scanner::DriftChanges& changes) {
  if (Clock::now() < hushed_until_) return;
  for (const auto& [path, ended] : changes.resolved) touches.erase(path);
  if (touches.empty()) return;
  add(waiting_, std::move(touches));
  if (is_paused_) return;
  write();
  pause();
}

void TouchRecorder::stop() {
  is_stopped_ = true;
  timer_.cancel();
  if (!waiting_.empty()) write();
}

void TouchRecorder::write() {
  workers_.record(
      [&store = store_, tree = tree_, touches = std::exchange(waiting_, {})](const WorkContext&) {
        auto written = store.write(tree, touches);
        return std::pair(std::move(written), written ? Touches() : touches);
      },
      [weak = weak_from_this()](std::pair<Result<void>, Touches> done) {
        if (const auto self = weak.lock()) self->written(done.first, std::move(done.second));
      });
}

void TouchRecorder::written(const Result<void>& done, Touches lost) {
  const bool was_failing = std::exchange(is_failing_, !done);
  if (done && was_failing) spdlog::info("{}: what is touched is being recorded again", tree_);
  if (done) return;
  if (!was_failing) {
    spdlog::error("{}: what is touched cannot be recorded until this is put right: {}", tree_, done.error().message);
  }
  add(lost, std::exchange(waiting_, {}));
  waiting_ = std::move(lost);
  if (!is_paused_) pause();
}

void TouchRecorder::pause() {
  if (is_stopped_) return;
  is_paused_ = true;
  timer_.expires_after(interval_);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->is_stopped_) return;
    self->is_paused_ = false;
    if (self->waiting_.empty()) return;
    self->write();
    self->pause();
  });
}

}  // namespace driftd::daemon
