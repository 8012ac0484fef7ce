#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "manifests/manifest.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/cold_files.hpp"
#include "scanner/judge.hpp"
#include "scanner/observe.hpp"

namespace driftd::scanner {

/// Reads files that are not in memory, one thread's share of them: keeps a window of opened files on their way from the
/// disk, and hashes the one that was asked for first. Every file is settled with the judge.
class ColdReader {
 public:
  /// All must outlive the reader. `window`: files open at once, at least 1.
  ColdReader(const manifests::Manifest& manifest, int root, Observer& observer, Judge& judge, std::size_t window);

  void read(std::span<const ListedFile> files);
  /// Settles what is still on its way.
  void finish();

 private:
  using EntryIndex = manifests::EntryIndex;

  struct Pending {
    EntryIndex entry = 0;
    OpenFile file;
    Observed observed;
    std::uint64_t asked = 0;  ///< bytes
  };
  struct CachedDirectory {
    EntryIndex entry = UINT32_MAX;
    manifests::UniqueFd fd;
  };

  void begin(EntryIndex entry);
  void finish_first();
  /// The directory that holds the entry, or -1 with errno. Valid until the next call.
  int directory_of(EntryIndex entry);
  Observation observe_again(EntryIndex entry, Observed& observed);

  const manifests::Manifest& manifest_;
  const int root_;
  Observer& observer_;
  Judge& judge_;
  const std::size_t window_;
  std::deque<Pending> pending_;
  std::uint64_t asked_ = 0;
  std::vector<CachedDirectory> directories_;
};

}  // namespace driftd::scanner
