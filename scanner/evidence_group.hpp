#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/trust.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/evidence_book.hpp"
#include "scanner/file_id.hpp"
#include "scanner/process_evidence.hpp"

namespace driftd::scanner {

/// One tree's fanotify group, with marks on the directories that its manifest lists. Used by one thread.
class EvidenceGroup {
 public:
  /// Whether the kernel grants such groups at all.
  static manifests::Result<void> is_granted();

  /// How many there should be at once: half of those that the kernel grants each user, whose other programs want some.
  static std::size_t most();
  /// Likewise how many marks, in all groups.
  static std::size_t most_marks();

  /// Fails where the kernel grants no group. The book outlives this object. Of more directories than `most_marks` the
  /// first are marked.
  static manifests::Result<std::unique_ptr<EvidenceGroup>> open(
      std::string root, std::shared_ptr<const manifests::VerifiedManifest> manifest, EvidenceBook& book,
      std::size_t most_marks);

  [[nodiscard]] int descriptor() const { return group_.get(); }
  /// How many directories it marks, or will.
  [[nodiscard]] std::size_t marks() const { return marks_; }
  /// The same directory by the same manifest.
  [[nodiscard]] bool is_of(const std::string& root, const manifests::VerifiedManifest& manifest) const;

  /// Of more directories than this the first are marked, from the next mark_all() on.
  void share_out(std::size_t most_marks);

  /// All directories are to be marked, again.
  void mark_all();
  [[nodiscard]] bool is_marking() const { return next_ < end_; }
  /// Some of them.
  void mark_more();

  /// What the root's path leads to now is another directory: nobody who touched the one before touched what is there.
  void forget_if_moved();

  /// Takes what has happened into the book. False: there may be more.
  bool drain(ProcessReader& reader);

  /// Why something will not be known since this was asked last; empty: nothing new.
  std::string take_trouble();
  /// The kernel tells nothing here, or nothing more.
  [[nodiscard]] bool has_failed() const { return failed_; }

 private:
  struct Change {
    std::uint64_t mask = 0;
    WatchEvent where;
    Toucher by;
  };
  /// What one read() gave has happened before it, so a process that is read once then is known for all of it.
  using Known = std::map<std::int32_t, Toucher>;
  struct Places {
    manifests::UniqueFd root;
    std::optional<DirtyPaths> paths;
    std::map<std::string, std::optional<std::string>> directories;  ///< by handle; nothing: outside the tree
  };

  EvidenceGroup(manifests::UniqueFd group, std::string root,
                std::shared_ptr<const manifests::VerifiedManifest> manifest, EvidenceBook& book,
                std::size_t most_marks);

  /// It tells of what happens in it, unless it is ignored: that may be a storm that tells nothing.
  [[nodiscard]] bool is_to_be_marked(manifests::EntryIndex entry) const;
  [[nodiscard]] manifests::UniqueFd open_root() const;
  bool mark(int root, manifests::EntryIndex entry);
  void mark_below(const std::string& directory);
  void take(const char* data, std::size_t length, ProcessReader& reader);
  void note(const Change& change, Places& places);
  enum class Stands { alone, with_others, not_there };
  /// Fills in what Toucher has of the path.
  [[nodiscard]] Stands stands(const Change& change, const std::string& path, Places& places, Toucher& by) const;
  std::optional<std::string> path_of(const WatchEvent& event, Places& places);
  Toucher who(std::int32_t pid, int pidfd, ProcessReader& reader, Known& known);
  void lose();
  void fail(const std::string& why);

  manifests::UniqueFd group_;
  std::string root_;
  FileId root_identity_;
  std::shared_ptr<const manifests::VerifiedManifest> manifest_;
  EvidenceBook& book_;
  std::size_t marks_ = 0;
  manifests::EntryIndex beyond_ = 0;  ///< entries from here on have no share of the marks
  manifests::EntryIndex next_ = 0;
  manifests::EntryIndex end_ = 0;
  std::uint64_t unmarked_ = 0;  ///< directories beyond what the kernel allows
  bool skipping_ = false;       ///< events were dropped, and those that follow may be from before that
  std::uint64_t queue_ = 1;     ///< how often it was found to be empty
  std::uint64_t lost_ = 0;      ///< times that this happened since it was told
  bool failed_ = false;
  std::string trouble_;
  std::shared_ptr<const Evidence> latest_;  ///< many changes in a row are one process's
  std::vector<char> buffer_;
};

}  // namespace driftd::scanner
