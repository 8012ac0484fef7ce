#include "manifests/mtree.hpp"

#include <algorithm>

#include "manifests/canonical_line.hpp"
#include "manifests/mtree_lines.hpp"

namespace driftd::manifests {
namespace {

/// The shortest entry line, `./a type=dir` with its line end: bounds what a header's count may reserve.
constexpr std::size_t kShortestEntry = 13;

/// Gives lines without their ends and knows where it is.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] char peek() const { return rest_.front(); }

  /// The next line. A final line without its end is given too; comparing it with what should stand there fails.
  std::string_view next() {
    ++number_;
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    ended_ = end != std::string_view::npos;
    rest_.remove_prefix(ended_ ? end + 1 : rest_.size());
    return line;
  }

  [[nodiscard]] bool ended() const { return ended_; }

  [[nodiscard]] Error error(Error cause) const {
    cause.message.insert(0, "line " + std::to_string(number_) + ": ");
    return cause;
  }
  [[nodiscard]] Error error(std::string_view why) const { return error(Error{ErrorCode::format, std::string(why)}); }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
  bool ended_ = false;
};

/// The number of the first line in which the two texts differ.
std::size_t first_difference(std::string_view a, std::string_view b) {
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return 1 + static_cast<std::size_t>(std::count(a.begin(), at, '\n'));
}

Result<HeaderLines> read_header(Lines& lines, std::string_view bytes) {
  if (lines.next() != "#mtree v2.0" || lines.next() != "#driftd 1") {
    return Error{ErrorCode::format, "not a driftd manifest: its first two lines must be '#mtree v2.0' and '#driftd 1'"};
  }
  HeaderLines header;
  while (!lines.at_end() && lines.peek() == '#') {
    const std::string_view line = lines.next();
    if (auto taken = parse_header_line(line, header); !taken) return lines.error(taken.error());
    if (bytes.size() - lines.rest().size() > kMaxHeaderSize) return lines.error("the header is larger than 64 KiB");
  }
  const std::string_view written = bytes.substr(0, bytes.size() - lines.rest().size());
  const std::string canonical = header_lines(header.header, header.entries, header.content);
  if (written != canonical) {
    return Error{ErrorCode::format, "line " + std::to_string(first_difference(written, canonical)) +
                                        ": a header is missing, repeated, out of order or not in canonical form"};
  }
  return header;
}

/// Takes canonical lines only; an error says what would be one.
Result<void> read_line(std::string_view line, EntryLine& out) {
  if (read_canonical_line(line, out)) return {};
  if (auto parsed = parse_entry_line(line, out.unescaped, out.entry); !parsed) return parsed;
  std::string canonical;
  append_entry_line(canonical, out.unescaped, out.entry);
  canonical.pop_back();
  if (canonical != line) return Error{ErrorCode::format, "not in canonical form, which is: " + canonical};
  out.path = out.unescaped;
  return {};
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  // The content id comes before what it covers, so its digits are filled in at the end: no second copy of the body.
  std::string text = header_lines(manifest.header(), manifest.size(), Digest{});
  const std::size_t body = text.size();
  for (EntryIndex entry = 0; entry < manifest.size(); ++entry) {
    append_entry_line(text, entry == kRootEntry ? "." : manifest.path(entry), manifest.entry(entry));
  }
  Blake3 content;
  content.update(mutable_lines(manifest.header()));
  content.update(std::string_view(text).substr(body));
  const std::string digits = to_hex(content.finish());
  text.replace(body - 1 - digits.size(), digits.size(), digits);
  return text;
}

Result<ReadManifest> read_manifest(std::string_view bytes, KeepDigests keep) {
  Lines lines(bytes);
  auto header = read_header(lines, bytes);
  if (!header) return header.error();

  const std::string_view body = lines.rest();
  Blake3 content;
  content.update(mutable_lines(header->header));
  content.update(body);
  if (content.finish() != header->content) return Error{ErrorCode::format, "the content id does not fit the entries"};

  const std::uint64_t expected = header->entries;
  const Digest content_id = header->content;
  ManifestBuilder builder(std::move(header->header), keep);
  // The count comes from the input, so what the bytes can hold bounds it.
  const auto room = std::min<std::uint64_t>({expected, body.size() / kShortestEntry + 1, kMaxEntries});
  builder.reserve(room, room * 16);

  std::uint64_t count = 0;
  EntryLine line;
  while (!lines.at_end()) {
    const std::string_view text = lines.next();
    if (auto read = read_line(text, line); !read) return lines.error(read.error());
    if (!lines.ended()) return lines.error("has no line end");
    if (auto added = builder.add(line.path, line.entry); !added) return lines.error(added.error());
    ++count;
  }
  if (count != expected) {
    return Error{ErrorCode::format,
                 "#entries says " + std::to_string(expected) + ", there are " + std::to_string(count)};
  }
  auto manifest = std::move(builder).finish();
  if (!manifest) return manifest.error();
  return ReadManifest{std::move(*manifest), content_id};
}

}  // namespace driftd::manifests
