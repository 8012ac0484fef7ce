#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/standing.hpp"
#include "scanner/dirty_paths.hpp"
#include "scanner/known_files.hpp"
#include "scanner/stat_cache.hpp"

namespace driftd::daemon {

/// Keeps what looks at one tree tell of its listed files, so that a change leads to them by whatever name it was made.
/// What a look sees is known only when it has ended; what was touched until then is looked at again.
class TreeFiles {
 public:
  enum class Seen : std::uint8_t {
    all,       ///< by a full scan: what was known before does not count any more
    changed,   ///< by a quick scan
    somewhere  ///< by a look at some paths
  };
  /// A look that is under way, with what befell the file system meanwhile; kept up as long as anybody holds it.
  class Look {
    friend class TreeFiles;
    Seen sees_ = Seen::somewhere;
    scanner::TouchedFiles touched_;
    scanner::KnownFiles learnt_;  ///< by other looks, which began later and ended before
  };
  std::shared_ptr<Look> begin_look(Seen sees = Seen::somewhere);

  /// Whether anybody looks, so that it matters what is touched.
  [[nodiscard]] bool is_looked_at() const;
  void touched(scanner::FileNumber file);

  /// What a look has found. Gives the paths whose files were touched while nothing led from them to the paths; where
  /// they are too many, `cache`, which is of that manifest, believes nothing of the others any more.
  scanner::Dirty end_look(const Look& look, Seen seen, const ManifestPointer& manifest,
                          std::vector<scanner::KnownFile> files, scanner::StatCache& cache);

  [[nodiscard]] const scanner::KnownFiles& known() const { return known_; }

 private:
  scanner::KnownFiles known_;
  std::vector<std::weak_ptr<Look>> looks_;  ///< those that have ended go when one begins
};

}  // namespace driftd::daemon
