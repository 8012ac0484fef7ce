#include "manifests/tool/zip_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "manifests/escape.hpp"

namespace driftd::manifests::tool {
namespace {

// Sizes, offsets and numbers of APPNOTE.TXT, the format's description by PKWARE.
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kMaxComment = 65535;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kEntrySize = 46;
constexpr std::size_t kLocalSize = 30;
constexpr std::uint64_t kMaxDirectory = std::uint64_t{1} << 30U;
constexpr std::uint64_t kAllOnes = 0xffffffff;  // look into the zip64 field
constexpr std::uint64_t kZip64Field = 0x0001;
constexpr std::uint64_t kUnicodePathField = 0x7075;
constexpr std::uint64_t kEncrypted = 0x1;
constexpr std::uint64_t kSizesFollow = 0x8;  // in a data descriptor behind the content
constexpr std::uint64_t kUtf8 = 0x800;
constexpr std::uint64_t kUnix = 3;
constexpr std::uint64_t kDosDirectory = 0x10;

Error damaged() { return {ErrorCode::format, "a damaged or truncated zip: its central directory cannot be read"}; }

Error refused(std::string_view name, std::string_view why) {
  constexpr std::size_t kShown = 200;
  const std::string tail = name.size() > kShown ? "..." : "";
  return {ErrorCode::format, "'" + escape(name.substr(0, kShown)) + tail + "': " + std::string(why)};
}

/// Little-endian; the caller has checked that it is there.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8U | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("zip", errno);
    if (got == 0) return damaged();
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  std::uint64_t end = 0;  ///< where the record begins that says all this
};

/// Unpackers look for the end record in different ways, so there must be one way only: one that ends where the file
/// ends, and nothing like it behind.
Result<std::size_t> find_end(std::string_view tail) {
  constexpr std::string_view kSignature = "PK\5\6";
  std::size_t end = std::string::npos;
  bool any = false;
  for (std::size_t at = tail.find(kSignature); at != std::string::npos; at = tail.find(kSignature, at + 1)) {
    if (end != std::string::npos) return Error{ErrorCode::format, "a zip with two ends, of which unpackers pick one"};
    any = true;
    const bool fits = tail.size() - at >= kEndSize && at + kEndSize + number(tail, at + 20, 2) == tail.size();
    if (fits) end = at;
  }
  if (end != std::string::npos) return end;
  if (any)
    return Error{ErrorCode::format, "a damaged or truncated zip: its end record does not end where the file does"};
  return damaged();
}

/// The larger form of the end record is the one that counts where there is one, and the smaller may not contradict it.
Result<Directory> read_end64(int fd, std::string_view locator, std::uint64_t locator_at, const Directory& small) {
  const std::uint64_t at = number(locator, 8, 8);
  if (locator_at < kEnd64Size || at != locator_at - kEnd64Size) return damaged();
  const auto record = read_at(fd, at, kEnd64Size);
  if (!record) return record.error();
  if (!record->starts_with("PK\6\6") || number(*record, 4, 8) != kEnd64Size - 12) return damaged();
  const Directory large{number(*record, 48, 8), number(*record, 40, 8), number(*record, 32, 8), at};
  const auto agree = [](std::uint64_t small_number, std::uint64_t ones, std::uint64_t large_number) {
    return small_number == ones || small_number == large_number;
  };
  const bool is_one_disk = number(*record, 16, 8) == 0 && number(*record, 24, 8) == large.count;
  if (!is_one_disk || !agree(small.offset, kAllOnes, large.offset) || !agree(small.size, kAllOnes, large.size) ||
      !agree(small.count, 0xffff, large.count)) {
    return Error{ErrorCode::format, "a zip whose two end records contradict each other"};
  }
  return large;
}

Result<Directory> find_directory(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error("zip", errno);
  const auto file_size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t tail_size = std::min<std::uint64_t>(file_size, kLocatorSize + kEndSize + kMaxComment);
  const auto tail = read_at(fd, file_size - tail_size, tail_size);
  if (!tail) return tail.error();
  const auto found = find_end(*tail);
  if (!found) return found.error();
  const std::size_t end = *found;
  if (number(*tail, end + 4, 4) != 0 || number(*tail, end + 8, 2) != number(*tail, end + 10, 2)) {
    return Error{ErrorCode::format, "one part of a zip that was split"};
  }
  Directory directory{number(*tail, end + 16, 4), number(*tail, end + 12, 4), number(*tail, end + 10, 2),
                      file_size - tail_size + end};
  if (end >= kLocatorSize && tail->compare(end - kLocatorSize, 4, "PK\6\7") == 0) {
    const std::string_view locator = std::string_view(*tail).substr(end - kLocatorSize, kLocatorSize);
    auto large = read_end64(fd, locator, directory.end - kLocatorSize, directory);
    if (!large) return large.error();
    directory = *large;
  }
  if (directory.size > kMaxDirectory || directory.offset > file_size || directory.size > file_size - directory.offset) {
    return damaged();
  }
  if (directory.offset + directory.size != directory.end) {
    return Error{ErrorCode::format, "a zip with something between its central directory and its end"};
  }
  return directory;
}

/// What extra fields can change in what the header before them says. Fields that are no such thing are left alone.
Result<void> take_extra(std::string_view extra, ZipEntry& member) {
  while (extra.size() >= 4) {
    const std::uint64_t id = number(extra, 0, 2);
    const std::size_t size = number(extra, 2, 2);
    if (size > extra.size() - 4) break;
    std::string_view field = extra.substr(4, size);
    if (id == kZip64Field) {
      for (std::uint64_t* value : {&member.size, &member.compressed_size, &member.offset}) {
        if (*value != kAllOnes) continue;
        if (field.size() < 8) return refused(member.name, "its zip64 field is too short");
        *value = number(field, 0, 8);
        field.remove_prefix(8);
      }
    }
    constexpr std::size_t kBeforeName = 5;  // a version and a checksum
    if (id == kUnicodePathField && (size < kBeforeName || field.substr(kBeforeName) != member.name)) {
      return refused(member.name, "has a second name in a Unicode Path field, which some unpackers prefer");
    }
    extra.remove_prefix(4 + size);
  }
  if (extra.find_first_not_of('\0') != std::string_view::npos) return refused(member.name, "has damaged extra fields");
  return {};
}

/// Names and types that unpackers are known to take in different ways.
Result<void> check_name(const ZipEntry& member) {
  const std::string& name = member.name;
  if (name.empty()) return Error{ErrorCode::format, "an entry has no name"};
  if (name.find('\0') != std::string::npos) return refused(name, "its name holds a NUL, at which some unpackers stop");
  if (name == "." || name.ends_with("/.")) return refused(name, "named '.' without a final slash");
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (member.host != kUnix && (member.flags & kUtf8) == 0 && !std::all_of(name.begin(), name.end(), is_ascii)) {
    return refused(name,
                   "its name is neither ASCII nor marked as UTF-8 and was not written by a Unix, so its "
                   "characters are anybody's guess; make the zip with UTF-8 names, or a tar");
  }
  const bool has_slash = name.ends_with('/');
  const std::uint64_t type = member.host == kUnix ? (member.attributes >> 16U) & S_IFMT : 0;
  const bool says_directory = type == S_IFDIR || (member.host != kUnix && (member.attributes & kDosDirectory) != 0);
  if (says_directory && !has_slash) return refused(name, "a directory by its mode, but without a final slash");
  if (has_slash && type != 0 && type != S_IFDIR) {
    return refused(name, "a directory by its final slash, but not by its mode");
  }
  if (has_slash && member.size != 0) return refused(name, "a directory with content");
  return {};
}

Result<std::vector<ZipEntry>> read_members(std::string_view rest, std::uint64_t count) {
  std::vector<ZipEntry> members;
  while (!rest.empty()) {
    if (rest.size() < kEntrySize || !rest.starts_with("PK\1\2")) {
      return Error{ErrorCode::format, "a zip whose central directory holds more than entries"};
    }
    const std::size_t name_size = number(rest, 28, 2);
    const std::size_t extra_size = number(rest, 30, 2);
    const std::size_t size = kEntrySize + name_size + extra_size + number(rest, 32, 2);
    if (size > rest.size()) return damaged();
    ZipEntry member;
    member.name = rest.substr(kEntrySize, name_size);
    member.offset = number(rest, 42, 4);
    member.compressed_size = number(rest, 20, 4);
    member.size = number(rest, 24, 4);
    member.checksum = number(rest, 16, 4);
    member.flags = number(rest, 8, 2);
    member.method = number(rest, 10, 2);
    member.host = number(rest, 5, 1);
    member.attributes = number(rest, 38, 4);
    if (auto taken = take_extra(rest.substr(kEntrySize + name_size, extra_size), member); !taken) return taken.error();
    if (auto checked = check_name(member); !checked) return checked.error();
    members.push_back(std::move(member));
    rest.remove_prefix(size);
  }
  if (members.size() != count) {
    return Error{ErrorCode::format, "a zip that speaks of " + std::to_string(count) + " members and lists " +
                                        std::to_string(members.size())};
  }
  return members;
}

/// Returns where the member's content ends.
Result<std::uint64_t> check_local_header(int fd, const ZipEntry& member) {
  const auto local = read_at(fd, member.offset, kLocalSize);
  if (!local) return local.error();
  if (!local->starts_with("PK\3\4")) return refused(member.name, "the central directory leads to no member");
  const std::size_t name_size = number(*local, 26, 2);
  const std::size_t extra_size = number(*local, 28, 2);
  const auto rest = read_at(fd, member.offset + kLocalSize, name_size + extra_size);
  if (!rest) return rest.error();
  if (rest->substr(0, name_size) != member.name) {
    return refused(member.name, "called '" +
                                    escape(std::string_view(*rest).substr(0, std::min<std::size_t>(name_size, 200))) +
                                    "' before its content and otherwise in the central directory; which one counts "
                                    "depends on who unpacks it");
  }
  ZipEntry twin = member;
  twin.checksum = number(*local, 14, 4);
  twin.compressed_size = number(*local, 18, 4);
  twin.size = number(*local, 22, 4);
  twin.flags = number(*local, 6, 2);
  twin.method = number(*local, 8, 2);
  if (auto taken = take_extra(std::string_view(*rest).substr(name_size), twin); !taken) return taken.error();
  const bool is_same = twin.method == member.method && ((twin.flags ^ member.flags) & (kEncrypted | kUtf8)) == 0;
  const bool sizes_follow = (twin.flags & kSizesFollow) != 0;
  const bool is_as_large =
      twin.checksum == member.checksum && twin.compressed_size == member.compressed_size && twin.size == member.size;
  if (!is_same || (!sizes_follow && !is_as_large)) {
    return refused(member.name, "what stands before its content and what the central directory says of it differ");
  }
  return member.offset + kLocalSize + name_size + extra_size + member.compressed_size;
}

/// What lies between members is content to those who read a zip as a stream, and what belongs to two is a bomb.
Result<void> check_local_headers(int fd, const std::vector<ZipEntry>& members, std::uint64_t directory) {
  std::uint64_t done = 0;
  bool sizes_followed = false;
  const auto check_gap = [&](std::uint64_t next) -> Result<void> {
    if (next < done) return Error{ErrorCode::format, "a zip whose members overlap"};
    // A data descriptor is three numbers, of four or eight bytes, with or without a signature.
    const std::uint64_t gap = next - done;
    const bool is_descriptor = sizes_followed && (gap == 12 || gap == 16 || gap == 20 || gap == 24);
    if (gap == 0 || is_descriptor) return {};
    return Error{ErrorCode::format, "a zip with something between its members that is no member"};
  };
  for (const ZipEntry& member : members) {
    if (member.offset >= directory) return refused(member.name, "the central directory leads to no member");
    if (auto checked = check_gap(member.offset); !checked)
      return with_context(refused(member.name, "").message, checked.error());
    const auto end = check_local_header(fd, member);
    if (!end) return end.error();
    if (*end > directory) return refused(member.name, "longer than the zip");
    done = *end;
    sizes_followed = (member.flags & kSizesFollow) != 0;
  }
  return check_gap(directory);
}

}  // namespace

Result<ZipDirectory> ZipDirectory::read(int fd) {
  const auto directory = find_directory(fd);
  if (!directory) return directory.error();
  if (directory->count == 0 && directory->size == 0) return Error{ErrorCode::format, "an empty zip"};
  const auto bytes = read_at(fd, directory->offset, directory->size);
  if (!bytes) return bytes.error();
  auto members = read_members(*bytes, directory->count);
  if (!members) return members.error();
  std::sort(members->begin(), members->end(), [](const ZipEntry& a, const ZipEntry& b) { return a.offset < b.offset; });
  if (auto checked = check_local_headers(fd, *members, directory->offset); !checked) return checked.error();
  return ZipDirectory(std::move(*members));
}

Result<void> ZipDirectory::take_next(std::string_view name, unsigned mode) {
  if (taken_ == members_.size()) return refused(name, "not in the central directory");
  const ZipEntry& member = members_[taken_++];
  if (name != member.name) {
    return refused(member.name,
                   "the name has characters that are not composed (NFC) or backslashes, on which "
                   "unpackers of zips disagree; use a tar");
  }
  // Without a type, libarchive takes the slash for one and adds what lets a directory be entered.
  auto said = static_cast<unsigned>(member.attributes >> 16U);
  if ((said & S_IFMT) == 0) said |= member.name.ends_with('/') ? S_IFDIR | 0111U : 0U | S_IFREG;
  const bool is_same = member.host == kUnix ? mode == said || (member.attributes >> 16U) == 0
                                            : S_ISDIR(mode) || (mode & ~0666U) == S_IFREG;
  if (!is_same) return refused(member.name, "its mode is one thing in the central directory and another before it");
  return {};
}

Result<void> ZipDirectory::finish() const {
  if (taken_ == members_.size()) return {};
  return refused(members_[taken_].name, "in the central directory, but cannot be read");
}

}  // namespace driftd::manifests::tool
