#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "daemon/check.hpp"
#include "daemon/scan_display.hpp"
#include "scanner/scan.hpp"

namespace driftd::daemon {

/// A look at a tree that may never come to an end: what there is to report of it then, and the display of how far it
/// is, which must not outlast it. Thread-safe.
class OngoingLook {
 public:
  explicit OngoingLook(TreeReport known) : known_(std::move(known)), asked_(known_.root) {}

  /// What is known of the tree so far.
  void know(const TreeReport& known);

  /// Which path, or which list of them, is asked about from now on.
  void ask(const std::string& path);

  /// Says on standard error how far the scan is, until hide().
  void show(const scanner::ScanPlan& plan, const scanner::Scope& scope,
            const std::shared_ptr<const scanner::ScanProgress>& progress);
  void hide();

  /// After waiting for so long: the report of a tree that does not answer. Nothing is shown any more.
  TreeReport give_up(std::chrono::milliseconds waited);

 private:
  std::mutex mutex_;
  TreeReport known_;
  std::string asked_;
  bool is_given_up_ = false;
  std::optional<ScanDisplay> display_;
};

}  // namespace driftd::daemon
