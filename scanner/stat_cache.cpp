#include "scanner/stat_cache.hpp"

#include <sodium.h>

namespace driftd::scanner {
namespace {

/// Coarser than any time stamp that a file system keeps; FAT counts in steps of two seconds.
constexpr std::int64_t kTooRecent = 2;

}  // namespace

StatCache::StatCache(std::size_t entries, std::int64_t (*now)()) : now_(now), entries_(entries) {
  static_assert(crypto_shorthash_BYTES == sizeof(Fingerprint) && crypto_shorthash_KEYBYTES == sizeof key_);
  ::randombytes_buf(key_.data(), key_.size());
}

std::int64_t StatCache::coarse_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

StatCache::Fingerprint StatCache::fingerprint(const struct statx& status, std::uint64_t accounts) const {
  if (status.stx_ctime.tv_sec + kTooRecent >= now_()) return 0;
  const std::array<std::uint64_t, 10> facts = {
      std::uint64_t{status.stx_dev_major} << 32U | status.stx_dev_minor,
      status.stx_ino,
      status.stx_mnt_id,
      status.stx_size,
      std::uint64_t{status.stx_uid} << 32U | status.stx_gid,
      std::uint64_t{status.stx_mode} << 32U | status.stx_nlink,
      static_cast<std::uint64_t>(status.stx_mtime.tv_sec),
      static_cast<std::uint64_t>(status.stx_ctime.tv_sec),
      std::uint64_t{status.stx_mtime.tv_nsec} << 32U | status.stx_ctime.tv_nsec,
      accounts,
  };
  Fingerprint condensed = 0;
  ::crypto_shorthash(reinterpret_cast<unsigned char*>(&condensed), reinterpret_cast<const unsigned char*>(facts.data()),
                     sizeof facts, key_.data());
  return condensed | 1U;
}

void StatCache::remember(manifests::EntryIndex entry, Fingerprint seen, Moment begun) {
  if (seen == 0) return forget(entry);
  auto& held = entries_[entry];
  std::uint64_t before = held.load(std::memory_order_relaxed);
  while (is_fingerprint(before) || before <= begun) {
    if (held.compare_exchange_weak(before, seen, std::memory_order_relaxed)) return;
  }
}

void StatCache::forget(manifests::EntryIndex entry) {
  entries_[entry].store(forgotten_.fetch_add(2, std::memory_order_relaxed) + 2, std::memory_order_relaxed);
}

}  // namespace driftd::scanner
