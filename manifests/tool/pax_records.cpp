#include "manifests/tool/pax_records.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <utility>

#include "manifests/escape.hpp"

namespace driftd::manifests::tool {
namespace {

Error refused(std::string why) { return {ErrorCode::format, std::move(why)}; }

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_all = error == std::errc() && end == text.data() + text.size();
  if (!is_all || value > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return value;
}

struct Record {
  std::string_view key;
  std::string_view value;
};

/// Takes one record, `LENGTH KEY=VALUE\n`, off the front of `rest`.
std::optional<Record> take_record(std::string_view& rest) {
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto length = parse_number(rest.substr(0, space));
  if (!length || *length > rest.size() || *length < space + 3 || rest[*length - 1] != '\n') return std::nullopt;
  const std::string_view text = rest.substr(space + 1, *length - space - 2);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  rest.remove_prefix(*length);
  return Record{text.substr(0, equals), text.substr(equals + 1)};
}

/// `OFFSET,SIZE,OFFSET,SIZE...`, of GNU.sparse 0.1.
Result<SparseMap> parse_map(std::string_view text) {
  SparseMap map;
  std::optional<std::uint64_t> offset;
  for (bool more = !text.empty(); more;) {
    const std::size_t comma = text.find(',');
    const auto value = parse_number(text.substr(0, comma));
    if (!value) return refused("its sparse map cannot be read");
    more = comma != std::string_view::npos;
    text.remove_prefix(more ? comma + 1 : text.size());
    if (!offset) {
      offset = value;
      continue;
    }
    if (auto added = map.add(*std::exchange(offset, std::nullopt), *value); !added) return added.error();
  }
  if (offset) return refused("its sparse map cannot be read");
  return map;
}

/// Those records that each may stand there once, and the map that GNU.sparse 0.0 spreads over many.
class Collected {
 public:
  Result<void> add(const Record& record) {
    if (record.key == "GNU.sparse.offset" || record.key == "GNU.sparse.numbytes") return add_part(record);
    // Sparse files of star and of Solaris, which GNU tar does not know.
    if (record.key == "SCHILY.realsize" || record.key == "SUN.holesdata") {
      return refused("a sparse file in a form that only some unpackers know; use GNU tar or bsdtar");
    }
    const bool is_name = record.key == "path" || record.key == "linkpath" || record.key == "GNU.sparse.name";
    if (!is_name && record.key != "size" && !record.key.starts_with("GNU.sparse.")) return {};
    if (!values_.emplace(record.key, record.value).second) {
      return refused("its pax header has two records '" + escape(record.key) + "'");
    }
    if (is_name && record.value.empty()) return refused("its pax header has an empty " + escape(record.key));
    if (is_name && record.value.find('\0') != std::string_view::npos) {
      return refused("its pax header has a NUL in " + escape(record.key));
    }
    return {};
  }

  [[nodiscard]] bool has(std::string_view key) const { return values_.contains(key); }
  [[nodiscard]] std::string_view text(std::string_view key) const {
    const auto at = values_.find(key);
    return at == values_.end() ? std::string_view() : at->second;
  }
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view key) const { return parse_number(text(key)); }
  [[nodiscard]] bool is_sparse() const {
    const auto at = values_.lower_bound("GNU.sparse.");
    return has_parts() || (at != values_.end() && at->first.starts_with("GNU.sparse."));
  }

  /// The map of GNU.sparse 0.0 or 0.1, where there is one.
  [[nodiscard]] Result<std::optional<SparseMap>> map() const {
    if (has_parts() == has("GNU.sparse.map") || offset_) return std::optional<SparseMap>();
    if (has_parts()) return std::optional(parts_);
    auto map = parse_map(text("GNU.sparse.map"));
    if (!map) return map.error();
    return std::optional(*map);
  }
  [[nodiscard]] bool has_parts() const { return parts_.parts() > 0 || offset_; }

 private:
  Result<void> add_part(const Record& record) {
    const auto value = parse_number(record.value);
    const bool is_offset = record.key == "GNU.sparse.offset";
    if (!value || is_offset == offset_.has_value()) return refused("its sparse map cannot be read");
    if (is_offset) {
      offset_ = value;
      return {};
    }
    return parts_.add(*std::exchange(offset_, std::nullopt), *value);
  }

  std::map<std::string_view, std::string_view> values_;
  SparseMap parts_;
  std::optional<std::uint64_t> offset_;  ///< of a part whose size is still to come
};

Result<void> take_sparse(const Collected& records, PaxMember& member) {
  const Error unknown = refused("a sparse file in a form that only some unpackers know");
  if (records.has("GNU.sparse.major") || records.has("GNU.sparse.minor")) {
    const auto real_size = records.number("GNU.sparse.realsize");
    const bool is_known = records.text("GNU.sparse.major") == "1" && records.text("GNU.sparse.minor") == "0";
    const bool is_mixed = records.has_parts() || records.has("GNU.sparse.map") || records.has("GNU.sparse.size");
    if (!real_size || !is_known || is_mixed) return unknown;
    member.sparse = PaxMember::Sparse::content;
    member.real_size = *real_size;
    return {};
  }
  const auto map = records.map();
  if (!map) return map.error();
  const auto real_size = records.number("GNU.sparse.size");
  if (!*map || !real_size || records.has("GNU.sparse.realsize")) return unknown;
  if (records.number("GNU.sparse.numblocks") != (*map)->parts()) return refused("its sparse map has not all its parts");
  member.sparse = PaxMember::Sparse::here;
  member.real_size = *real_size;
  member.map = **map;
  return {};
}

}  // namespace

Result<PaxMember> parse_pax_member(std::string_view records) {
  Collected collected;
  while (!records.empty()) {
    const auto record = take_record(records);
    if (!record) return refused("its pax header is malformed");
    if (auto added = collected.add(*record); !added) return added.error();
  }
  PaxMember member;
  member.name = collected.has("GNU.sparse.name") ? collected.text("GNU.sparse.name") : collected.text("path");
  member.size = collected.number("size");
  if (collected.has("size") && !member.size) return refused("its pax header has a size that is none");
  if (!collected.is_sparse()) return member;
  if (auto taken = take_sparse(collected, member); !taken) return taken.error();
  return member;
}

Result<void> check_pax_globals(std::string_view records) {
  // Comments, times, and what archivers say of themselves.
  constexpr std::array<std::string_view, 8> kHarmless = {
      "comment",         "mtime",         "atime", "ctime", "GNU.volume.label", "LIBARCHIVE.creationtime",
      "SCHILY.archtype", "SCHILY.release"};
  while (!records.empty()) {
    const auto record = take_record(records);
    if (!record) return refused("a malformed global pax header");
    if (std::find(kHarmless.begin(), kHarmless.end(), record->key) != kHarmless.end()) continue;
    return refused("a global pax header says '" + escape(record->key.substr(0, 200)) +
                   "' of all members, which only some unpackers heed");
  }
  return {};
}

}  // namespace driftd::manifests::tool
