#include "daemon/ongoing_look.hpp"

#include <algorithm>
#include <system_error>

#include "daemon/inquiry.hpp"

namespace driftd::daemon {
namespace {

scanner::ScanResult stalled(const scanner::Scope& asked) {
  scanner::ScanResult result;
  result.scope = asked;
  const auto add = [&](const std::string& path) {
    result.unverified.push_back({path, scanner::UnverifiedReason::stalled, 0, 0});
  };
  if (asked.is_whole()) add(".");
  for (const manifests::RelPath& path : asked.paths()) add(path.str());
  std::sort(result.unverified.begin(), result.unverified.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return result;
}

}  // namespace

void OngoingLook::know(const TreeReport& known) {
  const std::lock_guard lock(mutex_);
  known_ = known;
}

void OngoingLook::ask(const std::string& path) {
  const std::lock_guard lock(mutex_);
  asked_ = path;
}

void OngoingLook::show(const scanner::ScanPlan& plan, const scanner::Scope& scope,
                       const std::shared_ptr<const scanner::ScanProgress>& progress) {
  const std::lock_guard lock(mutex_);
  if (is_given_up_) return;
  try {
    display_.emplace(plan.manifest->manifest(), scope, progress);
  } catch (const std::system_error&) {  // no thread is left for it
  }
}

void OngoingLook::hide() {
  const std::lock_guard lock(mutex_);
  display_.reset();
}

TreeReport OngoingLook::give_up(std::chrono::milliseconds waited) {
  const std::lock_guard lock(mutex_);
  is_given_up_ = true;
  display_.reset();
  known_.seconds = std::chrono::duration<double>(waited).count();
  if (known_.plan && asked_ == known_.root) {
    known_.scan = stalled(known_.asked);
  } else {
    const manifests::Error error = no_answer_from(asked_, waited);
    known_.problems.push_back({"scan", std::string(to_string(error.code)), error.message});
  }
  return known_;
}

}  // namespace driftd::daemon
