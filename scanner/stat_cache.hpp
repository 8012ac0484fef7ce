#pragma once

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <vector>

#include "manifests/manifest.hpp"

namespace driftd::scanner {

/// Remembers of each entry of one manifest how stat(2) saw it when its content was last found to agree, so that a quick
/// scan has to read only what was touched since. It is safe against a forged mtime, since it holds the ctime as well;
/// a clock that was set back could forge that, and so could a write through a mapping that was open already: full
/// scans find both. Any number of threads may use it.
class StatCache {
 public:
  /// What statx(2) says of a path, and what its owner was compared with, condensed with a key that nobody outside
  /// knows. 0: not to be relied on.
  using Fingerprint = std::uint64_t;

  /// `now`: seconds since 1970 by the clock of the file systems' time stamps.
  explicit StatCache(std::size_t entries, std::int64_t (*now)() = coarse_now);

  /// Wants STATX_BASIC_STATS and STATX_MNT_ID. 0 where the last change lies less than two seconds back, or ahead:
  /// another change could have the same time stamp. `accounts` are ScanPlan::named_accounts: what agreed by others need
  /// not agree now.
  [[nodiscard]] Fingerprint fingerprint(const struct statx& status, std::uint64_t accounts) const;

  [[nodiscard]] bool agrees(manifests::EntryIndex entry, Fingerprint now) const {
    return now != 0 && remembered(entry) == now;
  }
  /// 0: none.
  [[nodiscard]] Fingerprint remembered(manifests::EntryIndex entry) const {
    const std::uint64_t value = entries_[entry].load(std::memory_order_relaxed);
    return is_fingerprint(value) ? value : 0;
  }

  /// A moment, as forget() counts them.
  using Moment = std::uint64_t;
  [[nodiscard]] Moment moment() const { return forgotten_.load(std::memory_order_relaxed); }

  /// A look that began at that moment or later found that the entry agreed with the manifest, when it looked like that.
  /// Unless another look has found otherwise meanwhile: a file can change without any trace in its times.
  void remember(manifests::EntryIndex entry, Fingerprint seen, Moment begun);
  /// The entry did not agree, or nobody could tell.
  void forget(manifests::EntryIndex entry);

  /// CLOCK_REALTIME_COARSE, which the kernel stamps files with.
  static std::int64_t coarse_now();

 private:
  static bool is_fingerprint(std::uint64_t value) { return (value & 1U) != 0; }

  std::int64_t (*now_)();
  std::array<unsigned char, 16> key_{};
  /// Odd: a fingerprint. Even: when the entry was forgotten, or 0.
  std::vector<std::atomic<std::uint64_t>> entries_;
  std::atomic<Moment> forgotten_{0};
};

}  // namespace driftd::scanner
