#pragma once

#include <cstddef>
#include <string>

#include "manifests/error.hpp"
#include "manifests/trust.hpp"

namespace driftd::manifests {

inline constexpr std::size_t kDefaultManifestLimit = std::size_t{1} << 30U;
inline constexpr std::size_t kMaxSignatures = 16;

/// Reads `path` and the signatures beside it: `PATH.minisig` and `PATH.minisig.<KEYID>`. Having no signature is an
/// error (`signature`) that says where one was looked for. Whether any is good is for VerifiedManifest to say.
Result<SignedBytes> read_signed_file(const std::string& path, std::size_t limit = kDefaultManifestLimit,
                                     const OnRead& on_read = {});

/// True for a file name that is `manifest` itself, or one of its signatures' names.
bool belongs_to_manifest(std::string_view name, std::string_view manifest);

}  // namespace driftd::manifests
