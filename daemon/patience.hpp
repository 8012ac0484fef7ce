#pragma once

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/standstill.hpp"
#include "scanner/scan_progress.hpp"

namespace driftd::daemon {

/// Does `work(progress)` on a thread of its own, and waits for what it returns for as long as it comes further: no
/// longer than `limit` without a step. Nothing: given up; the thread is left behind with all that `work` holds, so that
/// must be `work`'s own, and the process has to be ended without waiting for it. What `work` throws is thrown here.
template <class Work>
auto do_with_patience(Work work, std::chrono::milliseconds limit)
    -> std::optional<decltype(work(std::shared_ptr<scanner::ScanProgress>()))> {
  constexpr std::chrono::milliseconds kBetweenLooks{200};
  const auto progress = std::make_shared<scanner::ScanProgress>();
  std::packaged_task<decltype(work(progress))()> task([work = std::move(work), progress] { return work(progress); });
  auto result = task.get_future();
  std::thread thread(std::move(task));
  Standstill standstill;
  while (result.wait_for(std::min(kBetweenLooks, limit)) != std::future_status::ready) {
    if (standstill.look(progress->totals().steps, Standstill::Clock::now()) < limit) continue;
    thread.detach();
    return std::nullopt;
  }
  thread.join();
  return result.get();
}

}  // namespace driftd::daemon
