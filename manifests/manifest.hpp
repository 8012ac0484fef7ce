#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/digest.hpp"
#include "manifests/entry.hpp"
#include "manifests/error.hpp"
#include "manifests/glob.hpp"

namespace driftd::manifests {

inline constexpr std::size_t kMaxEntries = 10'000'000;
inline constexpr std::size_t kMaxGlobs = 1000;
inline constexpr std::size_t kMaxNameLength = 64;

/// What a release says of itself. Values are printable ASCII. Times are seconds since 1970, UTC.
struct Header {
  std::string name;
  std::string release;
  std::uint64_t sequence = 0;
  std::int64_t created = 0;
  std::optional<std::int64_t> expires;
  std::string source;    ///< empty: not said
  std::string artifact;  ///< empty: not said
  std::string pipeline;  ///< empty: not said
  std::vector<std::string> overrides;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<Glob> mutable_globs;
};

/// True for `[A-Za-z0-9._-]{1,64}`, the form of a manifest's and a tree's name.
bool is_product_name(std::string_view name);

/// True for `[A-Za-z0-9._$-]+`, the form of a user's or group's name in a manifest.
bool is_account_name(std::string_view name);

/// Position of an entry in depth-first order; parents come before children, siblings in byte order.
using EntryIndex = std::uint32_t;
inline constexpr EntryIndex kRootEntry = 0;

/// The list of everything a release puts into a tree. Immutable; made by ManifestBuilder only. Entry 0 is the tree's
/// root. Storage is compact (under 130 bytes an entry with ordinary names), so that a host can hold millions.
class Manifest {
 public:
  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] EntryIndex size() const { return static_cast<EntryIndex>(nodes_.size()); }

  [[nodiscard]] EntryType type(EntryIndex entry) const { return nodes_[entry].type; }
  [[nodiscard]] bool executable(EntryIndex entry) const { return has(entry, kExecutable); }
  [[nodiscard]] bool any_exec(EntryIndex entry) const { return has(entry, kAnyExec); }
  [[nodiscard]] bool optional(EntryIndex entry) const { return has(entry, kOptional); }
  [[nodiscard]] bool ignore(EntryIndex entry) const { return has(entry, kIgnore); }
  [[nodiscard]] std::optional<std::uint64_t> size_of(EntryIndex entry) const {
    return has(entry, kSize) ? std::optional(nodes_[entry].size) : std::nullopt;
  }
  /// Null where the manifest does not say.
  [[nodiscard]] const Digest* blake3(EntryIndex entry) const;
  [[nodiscard]] const Digest* sha256(EntryIndex entry) const;
  [[nodiscard]] const Attributes& attributes(EntryIndex entry) const { return attributes_[nodes_[entry].attributes]; }

  /// Every attributes() that some entry has, each once, in any order.
  [[nodiscard]] std::span<const Attributes> distinct_attributes() const { return attributes_; }

  /// The last component; empty for the root. Valid as long as the manifest.
  [[nodiscard]] std::string_view name(EntryIndex entry) const;
  /// The root's parent is the root.
  [[nodiscard]] EntryIndex parent(EntryIndex entry) const { return nodes_[entry].parent; }
  /// The path below the root; empty for the root.
  [[nodiscard]] std::string path(EntryIndex entry) const;

  /// Direct children in byte order of their names; empty for anything but a directory.
  [[nodiscard]] std::span<const EntryIndex> children(EntryIndex directory) const;
  [[nodiscard]] std::optional<EntryIndex> find_child(EntryIndex directory, std::string_view wanted) const;
  /// `path` as path() gives it.
  [[nodiscard]] std::optional<EntryIndex> find(std::string_view path) const;
  /// The entry and all below it are the indices [entry, subtree_end(entry)).
  [[nodiscard]] EntryIndex subtree_end(EntryIndex entry) const;

  /// The first `#mutable` rule that covers the path; null where none does. Valid as long as the manifest.
  [[nodiscard]] const Glob* mutable_rule(std::string_view path) const;
  [[nodiscard]] bool is_mutable(std::string_view path) const { return mutable_rule(path) != nullptr; }

  /// The fat form, for writing and showing.
  [[nodiscard]] Entry entry(EntryIndex index) const;

 private:
  friend class ManifestBuilder;
  enum Flag : std::uint8_t {
    kExecutable = 1,
    kOptional = 2,
    kIgnore = 4,
    kSize = 8,
    kBlake3 = 16,
    kSha256 = 32,
    kAnyExec = 64
  };
  struct Node {
    std::uint64_t size;
    std::uint32_t name_offset;
    std::uint32_t attributes;
    EntryIndex parent;
    std::uint8_t name_length;
    EntryType type;
    std::uint8_t flags;
  };

  [[nodiscard]] bool has(EntryIndex entry, Flag flag) const { return (nodes_[entry].flags & flag) != 0; }

  Header header_;
  std::vector<Node> nodes_;
  std::vector<Digest> blake3_;  ///< parallel to nodes_, or empty where no entry has one
  std::vector<Digest> sha256_;  ///< likewise
  std::string names_;
  std::vector<Attributes> attributes_;
  std::vector<EntryIndex> first_child_;  ///< offsets into children_, one more than there are entries
  std::vector<EntryIndex> children_;
};

/// Which digests to hold in memory. A host checks one; the release tool writes both again.
enum class KeepDigests { all, one };

/// Takes entries in canonical order and refuses everything that a manifest cannot be.
class ManifestBuilder {
 public:
  explicit ManifestBuilder(Header header, KeepDigests keep = KeepDigests::all);

  /// Room for about this many entries; a hint, bounded by the caller.
  void reserve(std::size_t entries, std::size_t name_bytes);

  /// `path` is raw bytes, `.` for the root, which comes first. Refused: a path out of order, twice, beyond a limit or
  /// without its parent directory; attributes that do not fit the type or contradict each other.
  Result<void> add(std::string_view path, const Entry& entry);

  /// Refused: a header with values that could not be written, or be read back as something else.
  Result<Manifest> finish() &&;

 private:
  struct OpenDirectory {
    EntryIndex entry = kRootEntry;
    std::size_t path_length = 0;
    std::string last_child;
  };

  Result<void> place(std::string_view path, EntryIndex& parent, std::string_view& name);
  std::uint32_t intern(const Attributes& attributes);

  Manifest manifest_;
  KeepDigests keep_;
  std::string directory_;  ///< path of the deepest open directory
  std::vector<OpenDirectory> open_;
  std::map<Attributes, std::uint32_t> interned_;
};

}  // namespace driftd::manifests
