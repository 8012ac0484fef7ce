#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace driftd::scanner {

/// Tasks that beget tasks, shared by workers; last in, first out, so that a walk goes deep before it goes wide and
/// the queue stays short. Ends for everybody once it is empty and no worker is busy.
template <class Task>
class WorkQueue {
 public:
  void push(Task task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
  }

  /// Blocks until there is a task; nothing once all work is done. A worker that comes back is no longer busy with
  /// the task before.
  std::optional<Task> next(bool was_busy) {
    std::unique_lock lock(mutex_);
    if (was_busy) --busy_;
    if (busy_ == 0 && tasks_.empty()) wake_.notify_all();
    wake_.wait(lock, [&] { return !tasks_.empty() || busy_ == 0 || cancelled_; });
    if (tasks_.empty() || cancelled_) return std::nullopt;
    Task task = std::move(tasks_.back());
    tasks_.pop_back();
    ++busy_;
    return task;
  }

  /// Ends the work for everybody, whatever is left.
  void cancel() {
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    wake_.notify_all();
  }

  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return tasks_.empty();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> tasks_;
  unsigned busy_ = 0;
  bool cancelled_ = false;
};

}  // namespace driftd::scanner
