#include "manifests/tool/archive_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include "manifests/escape.hpp"
#include "manifests/tool/gunzip.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kBufferSize = 256 * 1024;
/// Of ext4. A sparse file says its size in a few bytes, and reading it takes all the time that its zeros take.
constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 44U;

/// Names in pax headers are UTF-8 by definition, and any bytes by use. libarchive warns where it cannot put one into
/// the locale's character set and then gives the bytes as they are, which are what we want: this program stays in the
/// C locale for that. In a UTF-8 locale it would compose characters (NFC) without a word.
bool is_about_characters(const char* message) {
  return message != nullptr && std::strstr(message, "be converted from") != nullptr;
}

/// Those that Debian's libarchive holds itself; for others it would run programs.
int support_filters(archive* reader) {
  int worst = ARCHIVE_OK;
  for (int (*filter)(archive*) :
       {archive_read_support_filter_bzip2, archive_read_support_filter_xz, archive_read_support_filter_lzma,
        archive_read_support_filter_zstd, archive_read_support_filter_lz4}) {
    worst = std::min(worst, filter(reader));
  }
  return worst;
}

}  // namespace

void ArchiveReader::Free::operator()(archive* reader) const { archive_read_free(reader); }

ArchiveReader::ArchiveReader(ByteStream stream) : input_(std::make_unique<Input>()), archive_(archive_read_new()) {
  input_->stream = std::move(stream);
}

long ArchiveReader::feed(archive* reader, void* input, const void** bytes) {
  auto* self = static_cast<Input*>(input);
  const auto next = self->stream();
  if (!next) {
    self->error = next.error();
    archive_set_error(reader, EIO, "%s", next.error().message.c_str());
    return -1;
  }
  *bytes = next->data();
  self->given += static_cast<std::int64_t>(next->size());
  return static_cast<long>(next->size());
}

Error ArchiveReader::failure() const {
  if (!input_->error.message.empty()) return input_->error;
  const char* message = archive_error_string(archive_.get());
  return {ErrorCode::format, message == nullptr ? "damaged or truncated" : escape(message)};
}

template <class Configure>
Result<ArchiveReader> ArchiveReader::open(ByteStream stream, const char* unknown, Configure configure) {
  ArchiveReader reader(std::move(stream));
  if (!reader.archive_) return Error{ErrorCode::io, "libarchive: out of memory"};
  if (configure(reader.archive_.get()) != ARCHIVE_OK) return reader.failure();
  if (archive_read_open(reader.archive_.get(), reader.input_.get(), nullptr, &feed, nullptr) != ARCHIVE_OK) {
    return reader.input_->error.message.empty() ? Error{ErrorCode::format, unknown} : reader.input_->error;
  }
  return reader;
}

Result<ArchiveReader> ArchiveReader::tar(ByteStream stream) {
  return open(std::move(stream), "no archive: neither a tar (compressed or not), nor a zip, nor a Debian package",
              [](archive* reader) { return archive_read_support_format_tar(reader); });
}

Result<ArchiveReader> ArchiveReader::ar(ByteStream stream) {
  return open(std::move(stream), "a damaged ar archive",
              [](archive* reader) { return archive_read_support_format_ar(reader); });
}

Result<ArchiveReader> ArchiveReader::compressed(ByteStream stream) {
  return open(std::move(stream), "damaged compressed data", [](archive* reader) {
    return std::min(
        {support_filters(reader), archive_read_support_format_raw(reader), archive_read_support_format_empty(reader)});
  });
}

Result<ArchiveReader> ArchiveReader::zip(int fd) {
  ArchiveReader reader({});
  if (!reader.archive_) return Error{ErrorCode::io, "libarchive: out of memory"};
  if (archive_read_support_format_zip_seekable(reader.archive_.get()) != ARCHIVE_OK) return reader.failure();
  if (archive_read_open_fd(reader.archive_.get(), fd, kBufferSize) != ARCHIVE_OK) {
    return Error{ErrorCode::format, "a damaged or truncated zip: its central directory is not at its end"};
  }
  return reader;
}

Result<archive_entry*> ArchiveReader::next() {
  archive_entry* entry = nullptr;
  archive_clear_error(archive_.get());
  const int status = archive_read_next_header(archive_.get(), &entry);
  if (status == ARCHIVE_EOF) {
    // A tar that was cut between two entries looks complete but for its last block, which was read if it was there.
    const bool is_tar = (archive_format(archive_.get()) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
    if (is_tar && archive_filter_bytes(archive_.get(), 0) <= archive_read_header_position(archive_.get())) {
      return Error{ErrorCode::format, "truncated: it ends without an end-of-archive block"};
    }
    return nullptr;
  }
  const bool is_good =
      status == ARCHIVE_OK || (status == ARCHIVE_WARN && is_about_characters(archive_error_string(archive_.get())));
  if (!is_good) return failure();
  return entry;
}

Result<std::string_view> ArchiveReader::block() {
  for (;;) {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
    if (status == ARCHIVE_EOF) return std::string_view();
    if (status != ARCHIVE_OK) return failure();
    if (size > 0) return std::string_view(static_cast<const char*>(bytes), size);
  }
}

Result<std::string> ArchiveReader::compression() const {
  // The last one counted is the stream itself.
  if (archive_filter_count(archive_.get()) > 2) {
    return Error{ErrorCode::format, "compressed more than once, which tar does not undo"};
  }
  return std::string(archive_filter_name(archive_.get(), 0));
}

Result<void> ArchiveReader::finish() {
  const bool is_bzip2 = archive_filter_code(archive_.get(), 0) == ARCHIVE_FILTER_BZIP2;
  if (is_bzip2 && archive_filter_bytes(archive_.get(), -1) < input_->given) {
    return Error{ErrorCode::format, "something else follows the bzip2 data"};
  }
  const auto rest = input_->stream();
  if (!rest) return rest.error();
  if (is_bzip2 && !rest->empty()) return Error{ErrorCode::format, "something else follows the bzip2 data"};
  return drain(input_->stream);
}

Result<std::uint64_t> ArchiveReader::content(archive_entry* entry, const std::function<void(std::string_view)>& take) {
  static constexpr std::array<char, 65536> kZeros{};
  const bool has_size = archive_entry_size_is_set(entry) != 0;
  const auto size_said = has_size ? static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(entry))) : 0;
  if (size_said > kMaxFile) return Error{ErrorCode::format, "larger than 16 TiB, which no file is"};
  std::uint64_t done = 0;
  const auto zeros_until = [&](std::uint64_t offset) {
    while (done < offset) {
      const auto size = std::min<std::uint64_t>(offset - done, kZeros.size());
      take({kZeros.data(), size});
      done += size;
    }
  };
  for (;;) {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK) return failure();
    if (size == 0) continue;
    if (offset < 0 || static_cast<std::uint64_t>(offset) < done) return Error{ErrorCode::format, "overlapping content"};
    zeros_until(static_cast<std::uint64_t>(offset));
    take({static_cast<const char*>(bytes), size});
    done += size;
  }
  if (!has_size) return done;
  if (archive_entry_sparse_count(entry) > 0) zeros_until(size_said);
  if (done != size_said) {
    return Error{ErrorCode::format, "holds " + std::to_string(done) + " of " + std::to_string(size_said) + " bytes"};
  }
  return done;
}

namespace {

Result<Plain> decompress_by_libarchive(ByteStream stream) {
  auto opened = ArchiveReader::compressed(std::move(stream));
  if (!opened) return opened.error();
  const auto reader = std::make_shared<ArchiveReader>(std::move(*opened));
  const auto entry = reader->next();
  if (!entry) return entry.error();
  if (*entry == nullptr) return Error{ErrorCode::format, "empty"};
  auto compression = reader->compression();
  if (!compression) return compression.error();
  ByteStream plain = [reader, ended = false]() mutable -> Result<std::string_view> {
    if (ended) return std::string_view();
    auto bytes = reader->block();
    ended = bytes && bytes->empty();
    if (!ended) return bytes;
    if (auto finished = reader->finish(); !finished) return finished.error();
    return bytes;
  };
  return Plain{std::move(plain), std::move(*compression)};
}

}  // namespace

Result<Plain> decompress(ByteStream stream) {
  constexpr std::string_view kGzip = "\x1f\x8b";
  constexpr std::string_view kZip = "PK\3\4";
  auto first = std::make_shared<std::string>();
  while (first->size() < kZip.size()) {
    const auto bytes = stream();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    first->append(*bytes);
  }
  if (first->starts_with(kZip)) {
    return Error{ErrorCode::format,
                 "a zip cannot be read from a pipe, since its directory is at its end: give the file"};
  }
  const bool is_gzip = first->starts_with(kGzip);
  ByteStream whole = [first, stream = std::move(stream), given = false]() mutable -> Result<std::string_view> {
    if (std::exchange(given, true)) return stream();
    return std::string_view(*first);
  };
  if (!is_gzip) return decompress_by_libarchive(std::move(whole));
  auto plain = gunzip(std::move(whole));
  if (!plain) return plain.error();
  return Plain{std::move(*plain), "gzip"};
}

}  // namespace driftd::manifests::tool
