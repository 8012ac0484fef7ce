#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scanner/change_stamp.hpp"
#include "scanner/facts.hpp"
#include "scanner/file_id.hpp"

namespace driftd::scanner {

/// How a path differs. One finding a path: its kind is the first that holds of type, target, modified, metadata, or
/// missing, or added.
enum class DriftKind : std::uint8_t { modified, missing, added, type, metadata, target };
inline constexpr std::array kAllDriftKinds = {DriftKind::modified, DriftKind::missing,  DriftKind::added,
                                              DriftKind::type,     DriftKind::metadata, DriftKind::target};
std::string_view to_string(DriftKind kind);

/// All that differs at a path.
enum class Change : std::uint8_t { type, content, size, target, mode, owner, group, capability, acl, release };
inline constexpr std::array kAllChanges = {Change::type, Change::content, Change::size,  Change::target,
                                           Change::mode, Change::owner,   Change::group, Change::capability,
                                           Change::acl,  Change::release};
std::string_view to_string(Change change);

class Changes {
 public:
  void add(Change change) { bits_ |= bit(change); }
  [[nodiscard]] bool has(Change change) const { return (bits_ & bit(change)) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  friend bool operator==(const Changes&, const Changes&) = default;

 private:
  static unsigned bit(Change change) { return 1U << static_cast<unsigned>(change); }
  unsigned bits_ = 0;
};

/// A path at which host and manifest differ. A missing or added directory is one finding.
struct Finding {
  std::string path;  ///< raw bytes below the root, `.` for the root itself
  DriftKind kind = DriftKind::modified;
  Changes changes;
  PackedFacts expected;
  PackedFacts actual;
  FileId file;                             ///< what stands there, or the directory that something is missing from
  std::optional<std::int64_t> changed_at;  ///< ctime of what stands there, where something does
  std::uint32_t changed_nanoseconds = 0;   ///< the rest of it
  bool names_changed_last = false;         ///< as in Observed
  std::optional<FileTime> gone_by;         ///< ctime of the directory that something is missing from: it went then, at
                                           ///< the latest, or came and went again
  std::optional<FileTime> told_since;    ///< who changed that directory, or the one that stands there, from then until
                                         ///< its ctime, is known
  std::uint64_t below = 0;               ///< paths below a directory that is missing, added or of the wrong type
  std::vector<std::string> first_below;  ///< the first of them in byte order, at most kFirstBelow

  static constexpr std::size_t kFirstBelow = 10;

  /// ctime of `file`.
  [[nodiscard]] std::optional<FileTime> file_time() const;

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// The directory of a path as in Finding, which is not the root.
std::string_view parent_of(std::string_view path);

/// Of that directory. Nothing where it is not reached.
std::optional<ChangeStamp> parent_stamp(int root, std::string_view path);

/// Why a path's state could not be established.
enum class UnverifiedReason : std::uint8_t { permission, unstable, mount, io, stalled, limit };
inline constexpr std::array kAllUnverifiedReasons = {UnverifiedReason::permission, UnverifiedReason::unstable,
                                                     UnverifiedReason::mount,      UnverifiedReason::io,
                                                     UnverifiedReason::stalled,    UnverifiedReason::limit};
std::string_view to_string(UnverifiedReason reason);

/// A path that nobody can call clean.
struct Unverified {
  std::string path;  ///< as in Finding
  UnverifiedReason reason = UnverifiedReason::io;
  int error = 0;            ///< errno, or 0
  std::uint64_t below = 0;  ///< manifest entries below it, equally unverified

  friend bool operator==(const Unverified&, const Unverified&) = default;
};

}  // namespace driftd::scanner
