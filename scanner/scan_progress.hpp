#pragma once

#include <atomic>
#include <cstdint>

namespace driftd::scanner {

/// How far a scan has come, for who watches it from another thread. Entries are told in steps, not at each file.
struct ScanProgress {
  std::atomic<std::uint64_t> entries{0};  ///< of the manifest, judged
  std::atomic<std::uint64_t> bytes{0};    ///< read and hashed
};

}  // namespace driftd::scanner
