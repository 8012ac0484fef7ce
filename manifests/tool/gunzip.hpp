#pragma once

#include "manifests/tool/byte_stream.hpp"

namespace driftd::manifests::tool {

/// `compressed` without gzip, all its members one after the other. Unlike libarchive's, this checks the checksums. An
/// error: damaged, cut off, or anything but zeros after the last member, which makes gunzip and tar fail too.
Result<ByteStream> gunzip(ByteStream compressed);

}  // namespace driftd::manifests::tool
