#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "daemon/state_store.hpp"
#include "manifests/error.hpp"
#include "manifests/minisign.hpp"
#include "scanner/evidence.hpp"

namespace driftd::daemon {

/// Somebody touched a listed path, and left it as it is listed.
struct Touch {
  std::int64_t at = 0;                      ///< when that was seen, in seconds since 1970
  manifests::minisign::Prehash identity{};  ///< of the manifest in force then
  scanner::PathEvidence evidence;
};
using Touches = std::map<std::string, Touch>;  ///< by path as in Finding

/// Touches that left no drift, tree by tree, in the state database: the last one of a path, and of a tree the kMost
/// that were written last. Every function may wait for the disk, and half a second for another process. Not
/// thread-safe, nor beside its StateStore.
class TouchStore {
 public:
  /// What people ask about, not a log of all that a program does that writes what is there already.
  static constexpr std::size_t kMost = 1'000;

  /// `state` outlives this object.
  explicit TouchStore(StateStore& state) : state_(state) {}

  /// All in one transaction, or, on an error, nothing.
  manifests::Result<void> write(const std::string& tree, const Touches& touches);

  /// For commands too, that read a state which an older version wrote.
  manifests::Result<std::optional<Touch>> read(const std::string& tree, const std::string& path);

  /// Those from before that.
  manifests::Result<void> drop_older(std::int64_t than);

 private:
  StateStore& state_;
};

}  // namespace driftd::daemon
