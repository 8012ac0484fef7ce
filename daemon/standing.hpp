#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "daemon/config.hpp"
#include "daemon/state_store.hpp"
#include "manifests/error.hpp"
#include "manifests/ratchet.hpp"
#include "manifests/trust.hpp"

namespace driftd::daemon {

using ManifestPointer = std::shared_ptr<const manifests::VerifiedManifest>;

/// Which manifest is in force for a tree, and why not another.
struct Standing {
  ManifestPointer manifest;                   ///< in force; null: none
  std::optional<manifests::Error> problem;    ///< why the one on disk is not
  std::optional<manifests::Error> distrust;   ///< why the one in force proves nothing any more: its keys
  std::optional<manifests::Error> forgetful;  ///< the state could not be read or written
  /// A deploy in place is under way from this release, or got stuck: not every path has been seen to be the new one.
  ManifestPointer previous;
  std::optional<Transition> transition;  ///< that deploy, as it has to be remembered
  /// What is in force, where it could not be written: it is tried again. Null otherwise.
  std::shared_ptr<const manifests::SignedBytes> unwritten;
  /// No time before this can be now, in seconds since 1970: where this host's clock is behind it, it counts as now.
  std::int64_t time_floor = 0;
  bool is_first = false;  ///< nothing was remembered of this tree and product when this process first looked
  std::optional<TrustReset> trust_reset;
};

/// A manifest as it lies on disk, with enough good signatures. Nothing is said of whether the tree may take it.
struct OfferedManifest {
  manifests::SignedBytes bytes;
  ManifestPointer manifest;
};
manifests::Result<OfferedManifest> read_offered(const std::string& path, const manifests::TrustPolicy& policy,
                                                std::size_t limit, const manifests::OnRead& on_read = {});

/// May the tree take it? Rules alone: scope, then sequence, then time. Without a record (no state can be read), only
/// what needs none.
manifests::Result<void> judge_offer(const manifests::VerifiedManifest& offered, const TreeConfig& tree,
                                    const manifests::TrustPolicy& policy, const TreeRecord* record, std::int64_t now);

/// One of the record's releases, verified anew. `io` or `unreadable` where the state is damaged, else why it does not
/// count (any more).
manifests::Result<ManifestPointer> load_kept(const StateStore& store, const TreeConfig& tree,
                                             const manifests::minisign::Prehash& identity,
                                             const manifests::TrustPolicy& policy, std::size_t limit);

/// How a tree comes to a new manifest.
enum class Arrival {
  in_place,  ///< files are replaced one by one in the same root
  flip,      ///< the root is another directory than before
};

struct StandingInputs {
  const TreeConfig& tree;
  std::size_t manifest_limit;
  std::int64_t wall_clock;  ///< seconds since 1970
  std::int64_t build_time;  ///< likewise: of this program, which is older than anything it does
  Arrival arrival;
};

/// What the tree's file system and the trust directories hold now.
struct Offer {
  manifests::Result<manifests::TrustPolicy> policy;
  manifests::Result<OfferedManifest> manifest;
};

/// Asks the tree's file system, so it may hang.
Offer look_for_offer(const TrustConfig& trust, const TreeConfig& tree, std::size_t manifest_limit,
                     const manifests::OnRead& on_read = {});

/// What is newly accepted is remembered in the store first. `before` is the last decision for this tree in this
/// process, or empty.
Standing decide(const StandingInputs& inputs, Offer offer, const Standing& before, StateStore& store);

}  // namespace driftd::daemon
