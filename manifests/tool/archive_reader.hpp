#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "manifests/error.hpp"
#include "manifests/tool/byte_stream.hpp"

struct archive;
struct archive_entry;

namespace driftd::manifests::tool {

/// libarchive, one format at a time, with its warnings taken for what they are: errors. It runs no other program.
class ArchiveReader {
 public:
  /// Plain tar in any of its dialects.
  static Result<ArchiveReader> tar(ByteStream stream);
  /// The container of a Debian package.
  static Result<ArchiveReader> ar(ByteStream stream);
  /// By its central directory, so `fd` must be a regular file; it must outlive the reader.
  static Result<ArchiveReader> zip(int fd);
  /// No archive, but what a stream is compressed with, gzip apart; a plain stream comes as it is. One entry: the
  /// stream.
  static Result<ArchiveReader> compressed(ByteStream stream);

  /// The next entry, which is valid until the next call; null at the end. An archive that ends without saying so is
  /// an error.
  Result<archive_entry*> next();

  /// The entry's content as far as libarchive gives it in one piece, without what a sparse file leaves out; valid
  /// until the next call, empty at the end.
  Result<std::string_view> block();

  /// What the stream of compressed() is compressed with, once next() has opened it. An error: more than one thing.
  [[nodiscard]] Result<std::string> compression() const;

  /// After the last block() of compressed(): reads what is left, and does not take anything behind bzip2's data, which
  /// libarchive would pass over.
  Result<void> finish();

  /// All of the entry's content as a file system would give it back, holes as zeros. Returns its size, which is what
  /// the entry says.
  Result<std::uint64_t> content(archive_entry* entry, const std::function<void(std::string_view)>& take);

 private:
  struct Input {
    ByteStream stream;
    std::int64_t given = 0;          ///< bytes of it
    Error error{ErrorCode::io, {}};  ///< of the stream, since libarchive can only be told that there is one
  };
  struct Free {
    void operator()(archive* reader) const;
  };

  explicit ArchiveReader(ByteStream stream);
  template <class Configure>
  static Result<ArchiveReader> open(ByteStream stream, const char* unknown, Configure configure);
  [[nodiscard]] Error failure() const;

  static long feed(archive* reader, void* input, const void** bytes);

  std::unique_ptr<Input> input_;  ///< libarchive holds its address
  std::unique_ptr<archive, Free> archive_;
};

/// A stream without what it was compressed with.
struct Plain {
  ByteStream stream;
  std::string compression;  ///< libarchive's name of it, such as `gzip`; `none`
};

/// Tells by the first bytes what it is. Refused: two compressions in each other, which tar does not undo, and a zip.
Result<Plain> decompress(ByteStream stream);

}  // namespace driftd::manifests::tool
