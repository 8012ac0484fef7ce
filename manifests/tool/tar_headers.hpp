#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "manifests/tool/pax_records.hpp"

namespace driftd::manifests::tool {

/// Looks at the headers of a tar, and at nothing else, as its bytes pass on their way to libarchive, which says nothing
/// of what GNU tar would read otherwise. Refused, with the member's name: headers from which the two (or others) make
/// different members. No judge of damage: that is libarchive's. Pure.
class TarHeaders {
 public:
  /// The next bytes, in whatever pieces; after an error, no more.
  Result<void> take(std::string_view bytes);

  /// At the end of all bytes: whether the headers that were seen are those of the `members` that libarchive gave.
  [[nodiscard]] Result<void> finish(std::size_t members) const;

  /// The error that take() gave, which libarchive would only repeat in the wrong place.
  [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }

 private:
  enum class State { header, map_block, special, map_in_content, content, ended, lost };

  Result<void> step(std::string_view& bytes);
  Result<void> take_header(std::string_view header);
  Result<void> take_special(char type, std::uint64_t size);
  Result<void> take_special_content();
  Result<void> take_member(std::string_view header, std::uint64_t header_size);
  Result<void> take_old_map(std::string_view parts, bool is_extended);
  Result<void> take_map_digit(char digit);
  void begin_content(std::uint64_t size);
  [[nodiscard]] Error refuse(const std::string& why) const;

  State state_ = State::header;
  std::string block_;          ///< a header or a part of a map, as far as it has come
  std::string name_;           ///< of the last header's member
  std::string collected_;      ///< the content of a special header
  char special_ = '\0';        ///< its type
  std::uint64_t content_ = 0;  ///< still to come of the current content
  std::uint64_t padding_ = 0;  ///< still to come behind it
  std::size_t members_ = 0;
  std::optional<Error> refusal_;

  // What special headers said of the next member.
  std::optional<std::string> long_name_;
  bool has_long_link_ = false;
  std::optional<PaxMember> pax_;

  // Of a sparse member whose map is being read.
  std::uint64_t real_size_ = 0;
  SparseMap old_map_;
  SparseMapText map_text_;
};

/// `tar`, whose bytes pass `headers`.
ByteStream pass_headers(ByteStream tar, TarHeaders& headers);

}  // namespace driftd::manifests::tool
