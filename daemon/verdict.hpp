#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace driftd::daemon {

/// The three-valued answer for a tree. Drift beats unknown; nothing that could not be established is clean.
enum class Verdict : std::uint8_t { clean, drift, unknown };
inline constexpr std::array kAllVerdicts = {Verdict::clean, Verdict::drift, Verdict::unknown};

constexpr std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::clean: return "clean";
    case Verdict::drift: return "drift";
    case Verdict::unknown: break;
  }
  return "unknown";
}

constexpr Verdict judge(bool has_drift, bool all_established) {
  if (has_drift) return Verdict::drift;
  return all_established ? Verdict::clean : Verdict::unknown;
}

/// The worse of two trees' verdicts: drift before unknown before clean.
constexpr Verdict worse(Verdict a, Verdict b) {
  if (a == Verdict::drift || b == Verdict::drift) return Verdict::drift;
  return a == Verdict::unknown || b == Verdict::unknown ? Verdict::unknown : Verdict::clean;
}

/// Exit codes, see manifests/exit_code.hpp.
int exit_code(Verdict verdict);

}  // namespace driftd::daemon
