#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/sqlite.hpp"
#include "manifests/error.hpp"
#include "manifests/ratchet.hpp"
#include "manifests/trust.hpp"

namespace driftd::daemon {

/// A release that was in force, whose manifest is still at hand.
struct KeptManifest {
  manifests::minisign::Prehash identity{};
  std::uint64_t sequence = 0;
  std::string release;
  std::int64_t accepted_at = 0;  ///< seconds since 1970
};

/// A deploy in place that has not been seen to end: the tree may still be as the release before had it.
struct Transition {
  manifests::minisign::Prehash from{};
  std::int64_t since = 0;  ///< seconds since 1970
};

/// Somebody gave up what the ratchet remembered.
struct TrustReset {
  std::int64_t at = 0;
  std::string reason;
};

/// All that is remembered of one tree and the product that it holds.
struct TreeRecord {
  manifests::Ratchet ratchet;
  std::vector<KeptManifest> kept;  ///< the latest first: it is the one in force; at most kMostKept
  std::optional<Transition> transition;
  std::optional<TrustReset> last_reset;
};

inline constexpr std::size_t kMostKept = 5;

/// What outlives a restart, in the state directory: `state.db` (SQLite, every write synced) and in `manifests/` the
/// manifests that were accepted last, each with its signatures, so that stock tools can verify them there. What is
/// read back is believed no further than its signatures go. Not thread-safe.
class StateStore {
 public:
  /// How far the host is protected from an older release that is truly signed.
  enum class Protection {
    ok,
    fresh,  ///< there was no state: the first release of each tree is taken as it comes
    lost,   ///< the state cannot be used; see problem()
  };

  /// For the daemon: makes what is absent. Never fails: where the state cannot be used it is `lost`, and what is
  /// remembered lasts as long as this object.
  static StateStore open(const std::string& directory);

  /// There is nothing, or who asks may not read it: a host without the daemon, or a user without its rights. Whatever
  /// else stands in the way of a state is damage.
  static bool is_absent_or_hidden(const std::string& directory);

  /// For commands that change nothing, and work on a host where this fails.
  static manifests::Result<StateStore> open_for_reading(const std::string& directory);

  /// For `trust reset`: as open(), but a database that is damaged, and not merely busy or out of reach, is put aside
  /// under another name, and a new one is begun.
  static manifests::Result<StateStore> open_for_repair(const std::string& directory);

  [[nodiscard]] Protection protection() const { return protection_; }
  /// Why the protection is lost; empty where it is not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

  /// `name` is the manifest's, which a tree's configuration can change.
  manifests::Result<TreeRecord> read(const std::string& tree, const std::string& name);

  /// The manifest of a TreeRecord's `kept`, with its signatures; verified by whoever uses it.
  [[nodiscard]] manifests::Result<manifests::SignedBytes> read_kept(const std::string& tree,
                                                                    const manifests::minisign::Prehash& identity,
                                                                    std::size_t limit) const;

  /// No time before this can be now: the latest creation time among the releases accepted, as far as the clock agreed
  /// then; 0 where there is none.
  manifests::Result<std::int64_t> time_floor();

  /// When something is accepted, in seconds since 1970.
  struct AcceptedAt {
    std::int64_t wall_clock;
    std::int64_t trusted;  ///< the later of wall clock and time floor
  };
  /// `manifest`, read from `bytes`, is in force from now on. `transition` where the tree is being changed in place.
  /// Everything is remembered, or, on an error, nothing. The time floor rises to when the manifest was created, but
  /// not beyond `at.trusted`: a leaked key must not move the time.
  manifests::Result<void> accept(const std::string& tree, const manifests::SignedBytes& bytes,
                                 const manifests::VerifiedManifest& manifest, AcceptedAt at,
                                 const std::optional<Transition>& transition);

  /// The tree is what its release says: the deploy from that release is over.
  manifests::Result<void> end_transition(const std::string& tree, const manifests::minisign::Prehash& from);

  /// Forgets the ratchet of a tree, and remembers that somebody wanted that.
  manifests::Result<void> reset_trust(const std::string& tree, const std::string& reason, std::int64_t now);

  /// A number that changes when another process has written to the database, or has taken it away.
  std::int64_t version();

  /// For what else is kept in the same database, over the same connection: what it writes is no change to version().
  [[nodiscard]] sqlite::Database& database() { return database_; }
  /// An error where the file is not the one that was opened: nothing may be written through the connection then.
  [[nodiscard]] manifests::Result<void> check_in_place() const;

 private:
  StateStore(std::string directory, sqlite::Database database, Protection protection, std::string problem);

  [[nodiscard]] std::string kept_path(const std::string& tree, const manifests::minisign::Prehash& identity) const;
  manifests::Result<void> keep(const std::string& tree, const manifests::SignedBytes& bytes,
                               const manifests::VerifiedManifest& manifest);
  manifests::Result<void> remember(const std::string& tree, const manifests::VerifiedManifest& manifest, AcceptedAt at,
                                   const std::optional<Transition>& transition);
  [[nodiscard]] bool is_in_place() const;
  manifests::Result<void> forget_transition(const std::string& tree);
  void drop_unkept(const std::string& tree);

  std::string directory_;
  sqlite::Database database_;
  Protection protection_;
  std::string problem_;
  std::array<std::uint64_t, 2> file_{};  ///< device and inode of the database as it was opened
};

}  // namespace driftd::daemon
