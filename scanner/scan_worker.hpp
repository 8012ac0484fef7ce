#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "manifests/manifest.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/directory_listing.hpp"
#include "scanner/observe.hpp"
#include "scanner/scan.hpp"
#include "scanner/work_queue.hpp"

/// The inside of scan(): what its threads share, and what each of them does.
namespace driftd::scanner {

struct OpenDirectory {
  manifests::UniqueFd fd;
  std::string path;  ///< as in Finding
  std::optional<manifests::EntryIndex> entry;
  bool free = false;  ///< at or below an ignored directory
};

/// A directory to open, judge and list.
struct DirectoryTask {
  std::string path;
  std::optional<manifests::EntryIndex> entry;
  bool free = false;
  unsigned attempt = 0;
};

/// Listed files of one directory, to hash.
struct FilesTask {
  std::shared_ptr<const OpenDirectory> directory;
  std::vector<manifests::EntryIndex> files;
};

using Task = std::variant<DirectoryTask, FilesTask>;

struct SharedScan {
  const ScanPlan& plan;
  const manifests::Manifest& manifest;
  const ScanOptions& options;
  int root;
  std::uint64_t mount;
  std::stop_token stop;
  WorkQueue<Task> queue;
};

/// One thread's part. Owns its results until the scan gathers them; shares nothing but the queue.
class ScanWorker {
 public:
  explicit ScanWorker(SharedScan& shared);

  /// Puts the whole tree into the queue.
  void seed_whole();

  /// Judges paths or puts them into the queue. The result's scope becomes what is looked at: the paths themselves or
  /// a directory above that is missing, added or of the wrong type.
  void seed_paths(const Scope& asked);

  /// Works until the queue is done or a stop is requested.
  void run();

  /// Hands over the results; `entries` counts the manifest entries that were judged.
  ScanResult take_result();

 private:
  using EntryIndex = manifests::EntryIndex;

  /// Where a path is looked at from: an open directory and a name in it.
  struct Seat {
    OpenDirectory directory;
    std::string name;
    manifests::RelPath path;
    int error = 0;  ///< of opening a directory on the way, where that is not just gone
  };

  /// Nothing where the path belongs to a nested tree.
  std::optional<Seat> find_seat(const manifests::RelPath& path);
  void visit_alone(const Seat& seat);

  /// Tells who watches what was done since the last time.
  void tell_progress();

  void walk(const DirectoryTask& task);
  void list(const std::shared_ptr<const OpenDirectory>& directory);
  void visit(const OpenDirectory& directory, const char* name, std::size_t length, unsigned char type);
  void visit_listed(const OpenDirectory& directory, EntryIndex entry, unsigned char type);
  void visit_unlisted(const OpenDirectory& directory, const char* name, unsigned char type);
  void visit_own_manifest(const OpenDirectory& directory, const char* name, unsigned char type);

  void hash_found_files(const std::shared_ptr<const OpenDirectory>& directory);
  void check_files(const OpenDirectory& directory, std::span<const EntryIndex> files);
  void check_listed(const OpenDirectory& directory, EntryIndex entry);
  void check_missing(const std::string& path, EntryIndex entry);
  void directory_failed(const DirectoryTask& task, int error);
  void report_added(const OpenDirectory& directory, const char* name, const std::string& path);
  void report(Finding finding, std::string path);
  void report_unverified(std::string path, std::optional<EntryIndex> entry, const Observation& observation);
  void count_below(const std::string& path, Finding& finding);

  [[nodiscard]] bool may_vanish(const std::string& path, EntryIndex entry) const;
  /// The whole subtree of an entry has its judgement.
  void account(EntryIndex entry) { result_.entries += shared_.manifest.subtree_end(entry) - entry; }

  SharedScan& shared_;
  const manifests::Manifest& manifest_;
  Observer observer_;
  DirectoryListing listing_;
  ScanResult result_;
  std::uint64_t told_entries_ = 0;
  std::uint64_t told_bytes_ = 0;

  // Of the directory that is being listed.
  const Exemptions::Directory* exempt_ = nullptr;
  std::span<const EntryIndex> children_;
  std::vector<bool> seen_;  ///< parallel to children_
  std::vector<EntryIndex> files_;
};

}  // namespace driftd::scanner
