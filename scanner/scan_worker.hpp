#pragma once

#include <atomic>
#include <cstdint>
#include <map>
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
#include "scanner/branch.hpp"
#include "scanner/change_stamp.hpp"
#include "scanner/cold_files.hpp"
#include "scanner/directory_listing.hpp"
#include "scanner/found_names.hpp"
#include "scanner/judge.hpp"
#include "scanner/observe.hpp"
#include "scanner/scan.hpp"
#include "scanner/work_queue.hpp"

/// The inside of scan(): what its threads share, and what each of them does.
namespace driftd::scanner {

/// A directory to open, judge and list.
struct ListedDirectory {
  manifests::EntryIndex entry;
  unsigned attempt = 0;
};

/// Directories in one that hold what no entry lists, to open and list one by one.
struct UnlistedDirectories {
  Branch::Pointer above;
  DirectoryNames names;
  bool free = false;  ///< at or below an ignored directory
  unsigned attempt = 0;
};

/// Listed files of one directory, to hash.
struct FilesTask {
  manifests::EntryIndex directory;
  std::vector<ListedFile> files;
};

using Task = std::variant<ListedDirectory, UnlistedDirectories, FilesTask>;

struct SharedScan {
  const ScanPlan& plan;
  const manifests::Manifest& manifest;
  const ScanOptions& options;
  StatCache* cache;  ///< null: none, or none of this manifest
  int root;
  std::uint64_t mount;
  std::shared_ptr<ScanProgress> progress;  ///< never null
  bool defers;                             ///< files that are not in memory are left for read_cold()
  std::stop_token stop;
  const Scope* asked;  ///< paths; null: the whole tree
  WorkQueue<Task> queue;
  ColdFiles cold;
  std::atomic<std::uint64_t> content{0};  ///< bytes of listed files that were granted to be read; of `most_content`
};

/// One thread's part. Owns its results until the scan gathers them; shares nothing but the queue.
class ScanWorker {
 public:
  explicit ScanWorker(SharedScan& shared);

  /// Puts the whole tree into the queue.
  void seed_whole();

  /// Judges the paths that are asked for, or puts them into the queue. The result's scope becomes what is looked at:
  /// the paths themselves or a directory above that is missing, added or of the wrong type.
  void seed_asked();

  /// Walks until the queue is done or a stop is requested.
  void walk_all();

  /// What walk_all() left, once all workers are through with it: files that have to come from the disk.
  void read_cold();

  [[nodiscard]] std::vector<ListedFile>& deferred() { return deferred_; }

  /// Hands over the results; `entries` counts the manifest entries that were judged.
  ScanResult take_result();

  [[nodiscard]] const std::map<std::string, std::uint64_t>& folded() const { return judge_.folded(); }

 private:
  using EntryIndex = manifests::EntryIndex;

  struct OpenDirectory {
    manifests::UniqueFd fd;
    std::string path;  ///< as in Finding
    std::optional<EntryIndex> entry;
    bool free = false;                   ///< at or below an ignored directory
    Branch::Pointer branch{};            ///< may be null
    FileTime opened_after{};             ///< its path led to it then or later
    std::optional<ChangeStamp> stamp{};  ///< how it looked once it was open
  };

  /// Where a path is looked at from: an open directory and a name in it.
  struct Seat {
    OpenDirectory directory;
    std::string name;
    manifests::RelPath path;
    int error = 0;           ///< of opening a directory on the way, where that is not just gone
    bool is_nested = false;  ///< a nested tree's root, and nothing to look at
  };

  Seat find_seat(const manifests::RelPath& path);
  void visit_alone(const Seat& seat);

  void walk(const ListedDirectory& task);
  void walk_one(UnlistedDirectories task);
  void walk(OpenDirectory directory, unsigned attempt);
  void list(OpenDirectory& directory);
  /// Visits the directory's names, all that are there all the time; `unverified` where that cannot be known.
  Observation list_names(OpenDirectory& directory);
  /// Nothing: names may have slipped past, and what the path leads to by now is open, to be listed as well.
  std::optional<Observation> list_once(OpenDirectory& directory, bool wants_all, bool is_last);
  /// Whether what no entry lists would be a finding there, so that no name may be missed.
  [[nodiscard]] bool reports_additions(const OpenDirectory& directory) const;
  /// Whether a rule allows whatever name may come there.
  [[nodiscard]] bool is_all_mutable(const OpenDirectory& directory);
  /// Opens what the path leads to by now, so that names which came or went until now can be told from later ones.
  int open_again(OpenDirectory& directory) const;
  void visit(const OpenDirectory& directory, const DirectoryListing::Name& name);
  /// What stands at a path where a nested tree's root would be, or should by its entry. Roots are known with links
  /// resolved, so a link is none, and this tree's business.
  [[nodiscard]] bool is_link(std::optional<EntryIndex> entry, unsigned char type) const;
  void visit_listed(const OpenDirectory& directory, ListedFile file, unsigned char type);
  /// False where nothing stands there any more; likewise the next.
  bool visit_unlisted(const OpenDirectory& directory, const DirectoryListing::Name& name);
  bool visit_own_manifest(const OpenDirectory& directory, const DirectoryListing::Name& name);
  void visit_unseen(const OpenDirectory& directory, EntryIndex entry);
  void directory_failed(const OpenDirectory& gone, unsigned attempt, int error);
  /// A directory that no entry lists is to be walked; at hand_over_unlisted() at the latest.
  void walk_later(const OpenDirectory& directory, std::string_view name);
  void hand_over_unlisted(const OpenDirectory& directory);

  void check_found_files(const OpenDirectory& directory);
  void check_files(const FilesTask& task);
  void check_files(int directory, std::span<const ListedFile> files);
  /// Where the content was.
  enum class From : std::uint8_t { memory, disk };
  /// `type`: as the listing has it. What is no regular file is not opened: opening a device may do something.
  From check_listed(int directory, EntryIndex entry, unsigned char type);
  /// Whether that is within what may be read, of which it is then a part.
  bool may_read(EntryIndex entry);
  /// Whether a quick scan needs to look no closer.
  bool is_known(int directory, EntryIndex entry);

  /// Tells who watches what was judged since the last time.
  void tell_progress();

  SharedScan& shared_;
  const manifests::Manifest& manifest_;
  ScanProgress::Place& place_;
  Observer observer_;
  Judge judge_;
  DirectoryListing listing_;
  Coldness coldness_;
  std::vector<ListedFile> deferred_;

  // Of the directory that is being listed.
  const Exemptions::Directory* exempt_ = nullptr;
  std::span<const EntryIndex> children_;
  std::vector<bool> seen_;  ///< parallel to children_
  FoundNames found_;        ///< unlisted, and settled
  std::optional<bool> all_mutable_;
  std::vector<ListedFile> files_;
  DirectoryNames unlisted_;  ///< to be walked
};

}  // namespace driftd::scanner
