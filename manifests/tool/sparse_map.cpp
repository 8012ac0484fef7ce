#include "manifests/tool/sparse_map.hpp"

#include <limits>
#include <utility>

namespace driftd::manifests::tool {

Result<void> SparseMap::add(std::uint64_t offset, std::uint64_t size) {
  if (offset < end_) return Error{ErrorCode::format, "its sparse map overlaps or is out of order"};
  if (size > std::numeric_limits<std::int64_t>::max() - stored_ ||
      offset > std::numeric_limits<std::int64_t>::max() - size) {
    return Error{ErrorCode::format, "its sparse map leads beyond any file"};
  }
  end_ = offset + size;
  stored_ += size;
  ++parts_;
  return {};
}

Result<void> SparseMap::finish(std::uint64_t real_size, std::uint64_t stored) const {
  if (end_ != real_size) return Error{ErrorCode::format, "its sparse map does not end where the file does"};
  if (stored_ != stored) return Error{ErrorCode::format, "its sparse map does not fit its content"};
  return {};
}

Result<bool> SparseMapText::take(char c) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const Error unreadable{ErrorCode::format, "its sparse map cannot be read"};
  ++size_;
  if (c >= '0' && c <= '9') {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (number_ > (kMax - digit) / 10) return unreadable;
    number_ = number_ * 10 + digit;
    has_digit_ = true;
    return false;
  }
  if (c != '\n' || !has_digit_) return unreadable;
  const std::uint64_t number = std::exchange(number_, 0);
  has_digit_ = false;
  if (!parts_) {
    parts_ = number;
  } else if (!offset_) {
    offset_ = number;
  } else if (auto added = map_.add(*std::exchange(offset_, std::nullopt), number); !added) {
    return added.error();
  }
  return !offset_ && map_.parts() == *parts_;
}

}  // namespace driftd::manifests::tool
