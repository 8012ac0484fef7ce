#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "manifests/error.hpp"
#include "manifests/trust.hpp"
#include "scanner/evidence.hpp"
#include "scanner/scan.hpp"

namespace driftd::scanner {

/// Who changes one tree. Thread-safe. Destruction ends the watch.
class TreeEvidence {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~TreeEvidence() = default;

  /// From soon on, changes in the directories that the manifest lists are told. Again after a scan of everything: what
  /// was missed is made up for. A directory that is not listed needs no watch: it is one finding, made in its parent.
  /// For local file systems only; one that hangs holds up the evidence of all trees, and nothing else.
  virtual void watch(std::string root, std::shared_ptr<const manifests::VerifiedManifest> manifest) = 0;

  /// To be called right before a scan: it says when that began. May wait some 50 ms.
  virtual Clock::time_point begin_look() = 0;
  /// And right after it: what is known of who made the changes that this scan is the first to see, by the findings'
  /// paths, and of who touched others. Nothing where events came too fast to be sure who was the last.
  /// Fills in Finding::told_since.
  virtual std::map<std::string, PathEvidence> end_look(ScanResult& result, Clock::time_point began) = 0;
  /// Changes may have gone unseen, as on a file system that was unmounted.
  virtual void doubt() = 0;
};

/// Learns who changes trees by fanotify(7) groups of their own, with marks on directories alone, and a thread that asks
/// /proc for each event. It may fall behind; then nothing is known rather than something wrong. Thread-safe.
/// Destruction ends the thread, or leaves it behind where a file system or a process's memory does not answer.
class EvidenceWatcher {
 public:
  /// Told on any thread: why something will not be known. One line.
  using OnTrouble = std::function<void(const std::string& message)>;

  virtual ~EvidenceWatcher() = default;

  /// `name` is for messages.
  virtual std::shared_ptr<TreeEvidence> open_tree(std::string name) = 0;
};

/// Needs CAP_SYS_ADMIN, CAP_SYS_PTRACE for executables, and Linux 5.17. Fails with the reason.
manifests::Result<std::unique_ptr<EvidenceWatcher>> make_evidence_watcher(EvidenceWatcher::OnTrouble on_trouble);

}  // namespace driftd::scanner
