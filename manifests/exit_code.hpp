#pragma once

namespace driftd::manifests {

/// Exit codes of all commands of both programs. Drift beats unknown; a failed sudo (1) can never look like drift.
inline constexpr int kExitClean = 0;    ///< clean, or done
inline constexpr int kExitUnknown = 1;  ///< could not judge, or any error
inline constexpr int kExitDrift = 2;    ///< drift, or differs
inline constexpr int kExitUsage = 64;   ///< EX_USAGE of sysexits.h

}  // namespace driftd::manifests
