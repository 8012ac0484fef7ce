#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace driftd::manifests {

/// The last second of the year 9999.
inline constexpr std::int64_t kLastUtcTime = 253'402'300'799;

/// Seconds since 1970 as `2026-11-21T10:00:00Z`. `seconds` must lie in the years 1970 to 9999.
std::string format_utc(std::int64_t seconds);

/// The exact inverse: nothing for any other form, an impossible date, or a year before 1970.
std::optional<std::int64_t> parse_utc(std::string_view text);

}  // namespace driftd::manifests
