#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "scanner/change_stamp.hpp"
#include "scanner/evidence.hpp"
#include "scanner/finding.hpp"
#include "scanner/pid_cursor.hpp"
#include "scanner/scan.hpp"

namespace driftd::scanner {

struct Toucher {
  std::shared_ptr<const Evidence> process;  ///< null: unknown
  std::int32_t pid = 0;                     ///< as the event has it; 0: not even that is known
  PidCursor seen;                           ///< when it was there, or later where it is unknown
  /// Touches of which this is the same waited together to be read; the kernel keeps no order among them. 0: it did not
  /// wait.
  std::uint64_t queue = 0;
  bool is_gone = false;               ///< nothing stands there after the touch
  FileId file{};                      ///< what stands there, or the directory that it is gone from
  std::optional<FileTime> changed{};  ///< ctime of that
  bool is_directory = false;          ///< that stands there
  /// The directory in which the touch changed a name, as it was then.
  struct Directory {
    std::string path;
    FileId file;
    FileTime changed;
  };
  std::optional<Directory> directory{};

  void forget_who() {
    process.reset();
    pid = 0;
    seen = {};
  }
};

/// Who touched which path of one tree since it was last looked at. What is in doubt is forgotten: a path without an
/// entry was touched by nobody knows whom. Bounded. Thread-safe.
class EvidenceBook {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMostPaths = 20'000;

  /// `path` as in Finding. Where nothing is known but a number, which the last that touched the path had, and it cannot
  /// have become another's since, it is the same process.
  void note(const std::string& path, Toucher last, std::int64_t wall_clock, Clock::time_point now);

  /// A directory has come or gone: what stands below it now is not what was touched there.
  void forget_below(const std::string& directory);
  /// Changes went by unseen.
  void forget();
  /// Changes may have gone by unseen, of which files would show traces.
  void forget_directories();

  /// What a scan that began then is the first to see: of each path that it found different, and of each other in its
  /// scope that was touched before it began, and that it looked at later. What was touched before is forgotten, for a
  /// scan that comes later would see what came later; what was touched since may be for the next one too, and what was
  /// left unread is for the one that reads it.
  std::map<std::string, PathEvidence> take(const ScanResult& result, Clock::time_point began);
  /// Fills in Finding::told_since.
  void date(std::vector<Finding>& findings);

 private:
  struct Entry {
    PathEvidence evidence;
    Clock::time_point at{};
    std::int32_t pid = 0;  ///< of the last
    PidCursor seen;
    std::uint64_t queue = 0;
    bool is_gone = false;
  };
  /// Between these ctimes all changes of a directory were told, but for the names in one that is not listed.
  struct Told {
    FileId directory;
    FileTime first;
    FileTime latest;
  };
  void note_directory(const Toucher::Directory& directory);
  /// Of the directory that stands there or that something is missing from; null where its time is not covered.
  Told* told_of(const Finding& finding);
  PathEvidence evidence_of(const Finding& finding, const Entry& entry);
  void forget_oldest();

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Told, std::less<>> directories_;
};

}  // namespace driftd::scanner
