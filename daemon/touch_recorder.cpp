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
    const scanner::PathEvidence& evidence = result.evidence.at(path);
    touches.emplace(path, Touch{evidence.last ? evidence.at : now, identity, evidence});
  }
  return touches;
}

void TouchRecorder::record(Touches touches, const scanner::DriftChanges& changes, const Touch& nobody_known) {
  if (Clock::now() < hushed_until_) return;
  for (const auto& [path, ended] : changes.resolved) {
    // What was added is not listed.
    if (ended.finding.kind != scanner::DriftKind::added) touches.try_emplace(path, nobody_known);
  }
  if (touches.empty()) return;
  add(waiting_, std::move(touches));
  if (is_paused_) return;
  write_and_pause();
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
  if (!is_paused_) pause(waiting_.size());
}

void TouchRecorder::write_and_pause() {
  const std::size_t count = waiting_.size();
  write();
  pause(count);
}

void TouchRecorder::pause(std::size_t after) {
  if (is_stopped_) return;
  is_paused_ = true;
  timer_.expires_after(interval_ * (1 + after / kFew));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error || self->is_stopped_) return;
    self->is_paused_ = false;
    if (!self->waiting_.empty()) self->write_and_pause();
  });
}

}  // namespace driftd::daemon
