#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "manifests/manifest.hpp"
#include "scanner/observe.hpp"
#include "scanner/scan.hpp"
#include "scanner/stat_cache.hpp"

namespace driftd::scanner {

/// Makes the results of one thread out of what it has seen. Every call settles what it is about; an entry is settled
/// once. Paths are as in Finding.
class Judge {
 public:
  using EntryIndex = manifests::EntryIndex;

  /// `manifest` is the plan's, or that of another release that the tree is compared with. All must outlive the judge;
  /// `cache` may be null. What it counts itself are steps.
  Judge(const manifests::Manifest& manifest, const ScanPlan& plan, int root, StatCache* cache,
        ScanProgress::Place& place, std::stop_token stop);

  /// By what an observation came to. Not for `not_cached`, which is none yet.
  void settle(EntryIndex entry, const Observation& observation, const Observed& observed);

  /// Something stands where the entry says. The entry's own judgement, and, unless it is a directory that it should
  /// be, of all below it.
  void seen(EntryIndex entry, const Observed& observed);
  void missing(EntryIndex entry);
  void unverified(EntryIndex entry, const Observation& observation);
  /// The entry and all below it agree.
  void skip(EntryIndex entry) { result_.entries += manifest_.subtree_end(entry) - entry; }
  /// The entry and all below it are somebody else's, as long as that is so.
  void leave_out(EntryIndex entry);

  /// Something stands where no entry is.
  void added(std::string path, const Observed& observed);
  void unchecked(std::string path, const Observed& observed);
  void unverified(std::string path, const Observation& observation);
  /// A path that a mutable rule leaves unchecked.
  void count_unchecked() { ++result_.unchecked; }

  [[nodiscard]] ScanResult& result() { return result_; }

  /// How many paths differ below directories whose own paths are longer than any that a manifest lists. Those are not
  /// told one by one, since there may be very many, with very long paths.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& folded() const { return folded_; }

 private:
  [[nodiscard]] bool fold(const std::string& path);
  /// Neither the entry nor anything below it was found to agree.
  void forget_all(EntryIndex entry);
  void report(Finding finding, std::string path);
  void count_below(Finding& finding);
  /// With all that is listed below it. An optional directory may with whatever it holds; a mutable one only where each
  /// path below may vanish by itself.
  [[nodiscard]] bool may_vanish(EntryIndex entry) const;
  [[nodiscard]] std::string path_of(EntryIndex entry) const;

  const manifests::Manifest& manifest_;
  const ScanPlan& plan_;
  const int root_;
  StatCache* cache_;
  const StatCache::Moment begun_;
  ScanProgress::Place& place_;
  std::stop_token stop_;
  ScanResult result_;
  std::map<std::string, std::uint64_t> folded_;
  std::set<std::string> folded_unverified_;
};

/// How far the content of an entry has to be looked at.
ContentWanted content_wanted(const manifests::Manifest& manifest, manifests::EntryIndex entry);

}  // namespace driftd::scanner
