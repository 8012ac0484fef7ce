#include "manifests/tool/tar_headers.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "manifests/escape.hpp"

namespace driftd::manifests::tool {
namespace {

// Offsets and types of POSIX ustar and of GNU tar's tar.h.
constexpr std::size_t kBlock = 512;
constexpr std::size_t kMapPart = 24;
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62U;
/// libarchive's limit as well.
constexpr std::uint64_t kMaxSpecial = std::uint64_t{1} << 20U;

/// Octal digits between blanks, or a big-endian number after a byte 0x80.
std::optional<std::uint64_t> parse_number(std::string_view field) {
  std::uint64_t value = 0;
  if (field.front() == '\x80') {
    for (const char c : field.substr(1)) {
      if (value > (std::numeric_limits<std::int64_t>::max() >> 8U)) return std::nullopt;
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
  }
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  const std::size_t end = field.find_first_of(std::string_view(" \0", 2));
  for (const char c : field.substr(0, end)) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3U | static_cast<unsigned>(c - '0');
  }
  if (end != std::string_view::npos &&
      field.find_first_not_of(std::string_view(" \0", 2), end) != std::string_view::npos) {
    return std::nullopt;
  }
  return value;
}

/// Some archivers add signed bytes.
bool has_good_checksum(std::string_view header) {
  const auto said = parse_number(header.substr(148, 8));
  std::int64_t of_unsigned = 8 * ' ';
  std::int64_t of_signed = 8 * ' ';
  for (std::size_t at = 0; at < kBlock; ++at) {
    if (at >= 148 && at < 156) continue;
    of_unsigned += static_cast<unsigned char>(header[at]);
    of_signed += static_cast<signed char>(header[at]);
  }
  const auto sum = said ? static_cast<std::int64_t>(*said) : -1;
  return said && (sum == of_unsigned || sum == of_signed);
}

std::uint64_t padding_to_block(std::uint64_t size) { return (kBlock - size % kBlock) % kBlock; }

std::string_view until_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

}  // namespace

Result<void> TarHeaders::take(std::string_view bytes) {
  if (refusal_) return *refusal_;
  while (!bytes.empty()) {
    if (auto done = step(bytes); !done) {
      refusal_ = done.error();
      return done;
    }
  }
  return {};
}

Result<void> TarHeaders::finish(std::size_t members) const {
  if (refusal_) return *refusal_;
  if (state_ == State::ended && members == members_) return {};
  return Error{ErrorCode::format, "its headers can be understood in more than one way"};
}

/// Takes as much off the front of `bytes` as belongs together.
Result<void> TarHeaders::step(std::string_view& bytes) {
  const auto take_off = [&bytes](std::uint64_t most) {
    const std::string_view part = bytes.substr(0, std::min<std::uint64_t>(most, bytes.size()));
    bytes.remove_prefix(part.size());
    return part;
  };
  switch (state_) {
    case State::header:
    case State::map_block: {
      block_ += take_off(kBlock - block_.size());
      if (block_.size() < kBlock) return {};
      const std::string whole = std::exchange(block_, {});
      if (state_ == State::header) return take_header(whole);
      return take_old_map(whole.substr(0, 21 * kMapPart), whole[504] != '\0');
    }
    case State::map_in_content: {
      if (content_ == 0) return refuse("its sparse map is cut off");
      --content_;
      return take_map_digit(take_off(1).front());
    }
    case State::special:
    case State::content: {
      const std::string_view part = take_off(content_ > 0 ? content_ : padding_);
      if (content_ > 0 && state_ == State::special) collected_ += part;
      (content_ > 0 ? content_ : padding_) -= part.size();
      if (content_ > 0 || padding_ > 0) return {};
      if (state_ == State::special) return take_special_content();
      state_ = State::header;
      return {};
    }
    case State::ended:
    case State::lost: break;
  }
  bytes = {};
  return {};
}

Result<void> TarHeaders::take_header(std::string_view header) {
  if (header.find_first_not_of('\0') == std::string::npos) {
    state_ = State::ended;
    if (long_name_ || has_long_link_ || pax_) return refuse("a header for a member that does not come");
    return {};
  }
  const auto size = parse_number(header.substr(124, 12));
  if (!has_good_checksum(header) || !size || *size > kMaxSize) {
    // Whether this is a damaged tar or none at all, libarchive knows; should it take this, finish() will not.
    state_ = State::lost;
    return {};
  }
  const std::string prefix(header.substr(257, 6) == std::string_view("ustar\0", 6) ? until_nul(header.substr(345, 155))
                                                                                   : std::string_view());
  name_ = (prefix.empty() ? "" : prefix + "/") + std::string(until_nul(header.substr(0, 100)));
  const char type = header[156];
  if (std::string_view("xgLKV").find(type) != std::string_view::npos) return take_special(type, *size);
  if (long_name_) name_ = *long_name_;
  if (pax_ && !pax_->name.empty()) name_ = pax_->name;
  return take_member(header, *size);
}

Result<void> TarHeaders::take_special(char type, std::uint64_t size) {
  const bool has_gnu = long_name_ || has_long_link_;
  if ((type == 'x' && has_gnu) || (type != 'x' && pax_)) return refuse("has headers of both GNU tar and pax");
  const bool is_second = (type == 'x' && pax_) || (type == 'L' && long_name_) || (type == 'K' && has_long_link_);
  if (is_second) return refuse("has two headers of the same kind");
  if ((type == 'g' || type == 'V') && has_gnu) return refuse("a header for all between one for a member and that");
  if (size > kMaxSpecial) return refuse("has a special header of more than a megabyte");
  if (type == 'V' && size > 0) return refuse("a label with content");
  special_ = type;
  collected_.clear();
  begin_content(size);
  if (size == 0) return take_special_content();
  state_ = State::special;
  return {};
}

Result<void> TarHeaders::take_special_content() {
  state_ = State::header;
  if (special_ == 'g') return check_pax_globals(collected_);
  if (special_ == 'x') {
    auto member = parse_pax_member(collected_);
    if (!member) return refuse(member.error().message);
    pax_ = std::move(*member);
  }
  if (special_ != 'L' && special_ != 'K') return {};
  const std::string_view text = until_nul(collected_);
  if (collected_.find_first_not_of('\0', text.size()) != std::string::npos) return refuse("has a NUL in a long name");
  if (text.empty()) return refuse("has an empty long name");
  if (special_ == 'L') long_name_ = text;
  if (special_ == 'K') has_long_link_ = true;
  return {};
}

Result<void> TarHeaders::take_member(std::string_view header, std::uint64_t header_size) {
  ++members_;
  const char type = header[156];
  const bool is_file = type == '0' || type == '\0' || type == '7' || type == 'S';
  if (!is_file && (type < '1' || type > '6') && type != 'D') {
    return refuse("of a type '" + escape(std::string_view(&type, 1)) + "' that not all unpackers know");
  }
  const std::optional<PaxMember> pax = std::exchange(pax_, std::nullopt);
  long_name_.reset();
  has_long_link_ = false;
  const std::uint64_t size = pax && pax->size ? *pax->size : header_size;
  const bool may_hold = (is_file && !name_.ends_with('/')) || type == 'D';
  if (!may_hold && (size != 0 || header_size != 0)) {
    return refuse("a link, directory or device with content, which only some unpackers skip");
  }
  begin_content(size);
  const auto sparse = pax ? pax->sparse : PaxMember::Sparse::no;
  if (type == 'S') {
    const auto real_size = parse_number(header.substr(483, 12));
    if (!real_size || sparse != PaxMember::Sparse::no) return refuse("its sparse map cannot be read");
    old_map_ = {};
    real_size_ = *real_size;
    return take_old_map(header.substr(386, 4 * kMapPart), header[482] != '\0');
  }
  if (sparse != PaxMember::Sparse::no && !is_file) return refuse("a sparse file that is no file");
  if (sparse == PaxMember::Sparse::here) {
    if (auto fits = pax->map.finish(pax->real_size, size); !fits) return refuse(fits.error().message);
  }
  if (sparse == PaxMember::Sparse::content) {
    real_size_ = pax->real_size;
    map_text_ = {};
    state_ = State::map_in_content;
  }
  return {};
}

/// Parts of a GNU map, as far as one block has them. What follows is the next block of it, or the content.
Result<void> TarHeaders::take_old_map(std::string_view parts, bool is_extended) {
  bool ended = false;
  for (; !parts.empty(); parts.remove_prefix(kMapPart)) {
    // GNU tar looks for the end of the map in the second number, libarchive in the first.
    const bool is_used = parts[0] != '\0';
    if (is_used != (parts[12] != '\0') || (is_used && ended)) return refuse("its sparse map cannot be read");
    ended = !is_used;
    if (!is_used) continue;
    const auto offset = parse_number(parts.substr(0, 12));
    const auto size = parse_number(parts.substr(12, 12));
    if (!offset || !size) return refuse("its sparse map cannot be read");
    if (auto added = old_map_.add(*offset, *size); !added) return refuse(added.error().message);
  }
  if (is_extended && ended) return refuse("its sparse map cannot be read");
  if (is_extended) {
    state_ = State::map_block;
    return {};
  }
  state_ = content_ > 0 ? State::content : State::header;
  if (auto fits = old_map_.finish(real_size_, content_); !fits) return refuse(fits.error().message);
  return {};
}

Result<void> TarHeaders::take_map_digit(char digit) {
  const auto taken = map_text_.take(digit);
  if (!taken) return refuse(taken.error().message);
  if (!*taken) return {};
  // The map fills whole blocks, of which nothing but padding is left.
  const std::uint64_t rest = padding_to_block(map_text_.size());
  if (rest > content_) return refuse("its sparse map is cut off");
  content_ -= rest;
  if (auto fits = map_text_.map().finish(real_size_, content_); !fits) return refuse(fits.error().message);
  content_ += rest;
  state_ = content_ + padding_ > 0 ? State::content : State::header;
  return {};
}

void TarHeaders::begin_content(std::uint64_t size) {
  content_ = size;
  padding_ = padding_to_block(size);
  state_ = size > 0 ? State::content : State::header;
}

Error TarHeaders::refuse(const std::string& why) const {
  constexpr std::size_t kShown = 200;
  const std::string tail = name_.size() > kShown ? "..." : "";
  return {ErrorCode::format, "'" + escape(std::string_view(name_).substr(0, kShown)) + tail + "': " + why};
}

ByteStream pass_headers(ByteStream tar, TarHeaders& headers) {
  return [tar = std::move(tar), &headers]() -> Result<std::string_view> {
    auto bytes = tar();
    if (!bytes) return bytes;
    if (auto taken = headers.take(*bytes); !taken) return taken.error();
    return bytes;
  };
}

}  // namespace driftd::manifests::tool
