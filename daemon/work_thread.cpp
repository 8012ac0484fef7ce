#include "daemon/work_thread.hpp"

namespace driftd::daemon {

void WorkThread::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  stop_.request_stop();
  pool_.stop();
}

bool WorkThread::is_idle() const {
  const std::lock_guard lock(mutex_);
  return under_way_ == nullptr;
}

std::unique_ptr<WorkContext> WorkThread::begin() {
  auto progress = std::make_shared<scanner::ScanProgress>();
  const std::lock_guard lock(mutex_);
  if (closed_) return nullptr;
  ++begun_;
  under_way_ = progress;
  return std::make_unique<WorkContext>(WorkContext{stop_.get_token(), std::move(progress)});
}

void WorkThread::end() {
  const std::lock_guard lock(mutex_);
  under_way_.reset();
  --waiting_;
}

WorkThread::Clock::duration WorkThread::standstill(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!under_way_) return {};
  if (begun_ != seen_work_) standstill_ = {};
  seen_work_ = begun_;
  return standstill_.look(under_way_->totals().steps, now);
}

}  // namespace driftd::daemon
