#include "daemon/touch_recorder.hpp"

#include <utility>

#include <spdlog/spdlog.h>

namespace driftd::daemon {
namespace {

/// What is later counts, and what is there already is kept.
void add(Touches& touches, Touches later) {
  for (auto& [path, touch] : later) {
    const auto at = touches.find(path);
    if (at != touches.end()) {
      at->second = joined(at->second, std::move(touch));
    } else if (touches.size() < TouchStore::kMost) {
      touches.emplace(path, std::move(touch));
    }
  }
}

}  // namespace

using manifests::Result;

Touches touches_in(const scanner::ScanResult& result, std::int64_t now) {
  Touches touches;
  for (const std::string& path : result.touched) {
    const auto known = result.evidence.find(path);
    touches.emplace(path, Touch{now, now, known != result.evidence.end() ? known->second : scanner::PathEvidence()});
  }
  return touches;
}

void TouchRecorder::record(Touches touches, const scanner::DriftChanges& changes) {
  for (const auto& [path, ended] : changes.resolved) touches.erase(path);
  if (touches.empty()) return;
  add(waiting_, std::move(touches));
  if (is_paused_) return;
  write();
  pause();
}

void TouchRecorder::stop() {
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
        const auto self = weak.lock();
        if (self) self->written(done.first, std::move(done.second));
      });
}

void TouchRecorder::pause() {
  is_paused_ = true;
  timer_.expires_after(interval_);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    self->is_paused_ = false;
    if (self->waiting_.empty()) return;
    self->write();
    self->pause();
  });
}

void TouchRecorder::written(const Result<void>& done, Touches lost) {
  const bool was_failing = std::exchange(is_failing_, !done);
  if (done) return;
  if (!was_failing) {
    spdlog::warn("{}: what is touched cannot be recorded until this is put right: {}", tree_, done.error().message);
  }
  add(lost, std::exchange(waiting_, {}));
  waiting_ = std::move(lost);
}

}  // namespace driftd::daemon
