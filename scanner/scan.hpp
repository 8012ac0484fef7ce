#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/trust.hpp"
#include "scanner/accounts.hpp"
#include "scanner/evidence.hpp"
#include "scanner/exemptions.hpp"
#include "scanner/finding.hpp"
#include "scanner/known_files.hpp"
#include "scanner/scan_progress.hpp"
#include "scanner/scan_thread.hpp"
#include "scanner/scope.hpp"
#include "scanner/throttle.hpp"
#include "scanner/tree_root.hpp"

namespace driftd::scanner {

class StatCache;

/// What to check against what. Immutable while scans run.
struct ScanPlan {
  std::shared_ptr<const manifests::VerifiedManifest> manifest;
  /// While a deploy changes the tree in place: the release that it comes from. Null otherwise.
  std::shared_ptr<const manifests::VerifiedManifest> previous;
  std::string root;  ///< may be a link; what it leads to is the tree
  Exemptions exemptions;
  Accounts accounts;
  /// What the manifest's names lead to by them, condensed. set_accounts() sets both.
  std::uint64_t named_accounts = 0;
  bool report_additions = true;
};

struct ScanOptions {
  unsigned threads = 1;
  std::shared_ptr<Throttle> throttle = nullptr;      ///< may be others' too; null: as fast as it goes
  std::shared_ptr<ScanProgress> progress = nullptr;  ///< null: nobody watches
  Priority priority = Priority::normal;
  /// Made for the plan's manifest, and kept from one scan to the next. Null: none.
  std::shared_ptr<StatCache> cache = nullptr;
  /// Content that the cache knows is not read again. Wants a cache.
  bool quick = false;
  /// How many bytes of listed files may be read in all: what is more, or of unknown size, is left unread and counts as
  /// unstable. Nothing: everything is read.
  std::optional<std::uint64_t> most_content{};
  /// The directory that the plan's root is to lead to, and by which mount. Nothing: wherever it leads.
  std::optional<TreeRoot::Identity> root{};
};

struct ScanResult {
  /// What was looked at. May be wider than what was asked for: below a directory that is missing or added as a whole
  /// there is nothing to say but that.
  Scope scope;
  std::vector<Finding> findings;       ///< sorted by path, one a path
  std::vector<Finding> pending;        ///< likewise: differ from the plan's manifest as the previous one has them
  std::vector<Unverified> unverified;  ///< likewise
  std::vector<std::string> unread;     ///< sorted; of what is unverified, what was left unread by `most_content`
  std::vector<KnownFile> files;        ///< sorted; of each entry that a scan with a cache looked at closely
  std::uint64_t entries = 0;           ///< manifest entries in scope, each judged
  std::uint64_t unchecked = 0;         ///< paths seen that a mutable rule leaves unchecked
  std::uint64_t hashed_files = 0;
  std::uint64_t hashed_bytes = 0;
  // No scan knows these; they are added where changes are watched.
  std::map<std::string, PathEvidence> evidence{};  ///< by path, of findings, and of what was touched and is none
  std::vector<std::string> touched{};              ///< of the latter, what is as it is listed
};

/// Walks and hashes with `options.threads` threads and compares. Every entry in scope gets exactly one judgement: it
/// agrees, it is in `findings` or in `pending`, or it is in `unverified` (itself or by a directory above). Fails (`io`)
/// only where the root itself cannot be opened or is another than wanted, or a stop was requested; a failed scan says
/// nothing about the tree.
manifests::Result<ScanResult> scan(const ScanPlan& plan, const Scope& scope, const ScanOptions& options,
                                   const std::stop_token& stop);

/// For who does not watch where the root leads: as scan(), and fails too where that is another directory, or none, when
/// the scan has ended.
manifests::Result<ScanResult> scan_unwatched(const ScanPlan& plan, const Scope& scope, ScanOptions options,
                                             const std::stop_token& stop);

/// Is the tree, at all paths at once, what `release` lists? `differing` holds every path at which the tree is known to
/// differ from the plan's manifest; what else differs between the two manifests is looked at too, and nothing more.
manifests::Result<bool> is_exactly(const manifests::VerifiedManifest& release, const ScanPlan& plan,
                                   const Scope& differing, const ScanOptions& options, const std::stop_token& stop);

}  // namespace driftd::scanner
