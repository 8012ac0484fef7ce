#include "manifests/tool/archive_source.hpp"

#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include <archive_entry.h>

#include "manifests/digest.hpp"
#include "manifests/escape.hpp"
#include "manifests/tool/archive_item.hpp"
#include "manifests/tool/archive_members.hpp"
#include "manifests/tool/archive_reader.hpp"
#include "manifests/tool/byte_stream.hpp"
#include "manifests/tool/tar_headers.hpp"
#include "manifests/tool/zip_directory.hpp"
#include "scanner/accounts.hpp"

namespace driftd::manifests::tool {
namespace {

using scanner::FileType;

/// Names in a zip are UTF-8 where a flag says so, and libarchive gives no name at all where it cannot put that into the
/// locale's character set.
class Utf8Names {
 public:
  Utf8Names() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

/// Takes the members of one archive one after the other.
class MemberReader {
 public:
  MemberReader(ReleaseTree& tree, Progress& progress, scanner::Accounts accounts)
      : tree_(tree), progress_(progress), accounts_(std::move(accounts)) {}

  /// Takes no member but these, which must outlive the reader.
  void require_members(ZipDirectory& directory) { directory_ = &directory; }

  Result<void> read_all(ArchiveReader& reader) {
    for (;;) {
      const auto entry = reader.next();
      if (!entry) return after_last(entry.error());
      if (*entry == nullptr) return directory_ == nullptr ? Result<void>{} : directory_->finish();
      auto item = read(reader, *entry);
      if (!item) return item.error();
      last_ = item->path;
      ++count_;
      if (auto added = members_.add(*item); !added) return added;
      if (auto added = tree_.add(*item); !added) return added;
    }
  }

  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  Result<SourceItem> read(ArchiveReader& reader, archive_entry* entry) {
    if (directory_ != nullptr) {
      const char* name = archive_entry_pathname(entry);
      auto taken = directory_->take_next(name == nullptr ? "" : name, archive_entry_mode(entry));
      if (!taken) return taken.error();
    }
    if (archive_entry_hardlink(entry) != nullptr) return read_hard_link(entry);
    const Acls acls = tree_.rules().mode == ModePolicy::exact ? Acls::take : Acls::leave;
    auto item = item_of(entry, acls, accounts_);
    if (!item || item->seen.type != FileType::file) return item;
    if (archive_entry_is_encrypted(entry) != 0) {
      return Error{ErrorCode::format, "'" + escape(item->path) + "': encrypted; make the archive without a password"};
    }
    if (auto hashed = hash(reader, entry, item->seen); !hashed) return with_context(shown(item->path), hashed.error());
    return item;
  }

  /// All of a hard link is what its target is; it has no content of its own (see tar_headers.hpp).
  Result<SourceItem> read_hard_link(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    const auto path = member_path(name == nullptr ? "" : name);
    if (!path) return path.error();
    const std::string_view link = archive_entry_hardlink(entry);
    const auto target = member_path(link);
    if (!target) return with_context(shown(*path) + ": hard link to", target.error());
    if (link.ends_with('/')) {
      return Error{ErrorCode::format, shown(*path) +
                                          ": a hard link to a name with a final slash, which only some "
                                          "unpackers make"};
    }
    const auto file = members_.linked_file(*target);
    if (!file) return with_context(shown(*path), file.error());
    SourceItem item = **file;
    item.path = *path;
    return item;
  }

  /// Every file, since a hard link may name one that the rules leave out.
  Result<void> hash(ArchiveReader& reader, archive_entry* entry, scanner::Observed& seen) {
    const SourceRules& rules = tree_.rules();
    blake3_.reset();
    sha256_.reset();
    const auto size = reader.content(entry, [&](std::string_view bytes) {
      if (rules.blake3) blake3_.update(bytes);
      if (rules.sha256) sha256_.update(bytes.data(), bytes.size());
      progress_.add_bytes(bytes.size());
    });
    if (!size) return size.error();
    progress_.add_file();
    seen.size = *size;
    if (rules.blake3) seen.blake3 = blake3_.finish();
    if (rules.sha256) seen.sha256 = sha256_.finish();
    return {};
  }

  [[nodiscard]] Error after_last(const Error& error) const {
    return last_.empty() ? error : with_context("after " + shown(last_), error);
  }

  static std::string shown(const std::string& path) { return "'" + escape(path) + "'"; }

  ReleaseTree& tree_;
  Progress& progress_;
  scanner::Accounts accounts_;
  ZipDirectory* directory_ = nullptr;
  ArchiveMembers members_;
  std::string last_;
  std::size_t count_ = 0;
  Blake3 blake3_;
  Sha256 sha256_;
};

Result<void> read_tar(ByteStream plain, MemberReader& members) {
  TarHeaders headers;
  const ByteStream checked = pass_headers(std::move(plain), headers);
  auto reader = ArchiveReader::tar(checked);
  if (!reader) return reader.error();
  auto read = members.read_all(*reader);
  if (headers.refusal()) return *headers.refusal();
  if (!read) return read;
  if (auto drained = drain(checked); !drained) return drained;
  return headers.finish(members.count());
}

Result<void> read_compressed_tar(ByteStream compressed, MemberReader& members) {
  auto plain = decompress(std::move(compressed));
  if (!plain) return plain.error();
  return read_tar(std::move(plain->stream), members);
}

/// What a package's member of this name is compressed with, as libarchive calls it; nothing where it is no `stem`.
std::optional<std::string_view> compression_of(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return std::nullopt;
  name.remove_prefix(stem.size());
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSuffixes = {
      {{"", "none"}, {".gz", "gzip"}, {".xz", "xz"}, {".zst", "zstd"}, {".bz2", "bzip2"}, {".lzma", "lzma"}}};
  for (const auto& [suffix, compression] : kSuffixes) {
    if (name == suffix) return compression;
  }
  return std::nullopt;
}

/// An ar archive of debian-binary, control.tar.* and data.tar.*, in this order; members whose names begin with an
/// underscore may stand between, and any behind: deb(5).
class DebReader {
 public:
  DebReader(ArchiveReader& package, MemberReader& members) : package_(package), members_(members) {}

  Result<void> read() {
    for (;;) {
      const auto entry = package_.next();
      if (!entry) return entry.error();
      if (*entry == nullptr) break;
      const char* name = archive_entry_pathname(*entry);
      if (auto taken = take(name == nullptr ? "" : name); !taken) return taken;
    }
    if (seen_ != Seen::data) return Error{ErrorCode::format, "a Debian package without a member data.tar"};
    return {};
  }

 private:
  enum class Seen { nothing, version, control, data };

  Result<void> take(std::string_view name) {
    if (seen_ == Seen::nothing) return take_version(name);
    const bool is_control = name.starts_with("control.tar");
    const bool is_data = name.starts_with("data.tar");
    if (seen_ == Seen::data) {
      if (is_data) return Error{ErrorCode::format, "has two members data.tar"};
      return is_control ? out_of_order(name) : Result<void>{};
    }
    if (name.starts_with('_')) return {};
    if (seen_ == Seen::version && is_control && compression_of(name, "control.tar")) {
      seen_ = Seen::control;
      return {};
    }
    const auto compression = compression_of(name, "data.tar");
    if (seen_ == Seen::version || !compression) return out_of_order(name);
    seen_ = Seen::data;
    auto read = take_data(*compression);
    if (!read) return with_context(escape(name), read.error());
    return {};
  }

  Result<void> take_version(std::string_view name) {
    if (name != "debian-binary") return Error{ErrorCode::format, "an ar archive, but no Debian package"};
    const auto version = package_.block();
    if (!version) return version.error();
    if (!version->starts_with("2.")) return Error{ErrorCode::format, "a Debian package of a version other than 2"};
    seen_ = Seen::version;
    return {};
  }

  Result<void> take_data(std::string_view compression) {
    auto plain = decompress([this] { return package_.block(); });
    if (!plain) return plain.error();
    if (plain->compression != compression) {
      return Error{ErrorCode::format, "compressed by " + plain->compression + ", which its name does not say"};
    }
    return read_tar(std::move(plain->stream), members_);
  }

  static Result<void> out_of_order(std::string_view name) {
    return Error{ErrorCode::format,
                 "a Debian package with a member '" + escape(name.substr(0, 200)) + "' where dpkg wants another"};
  }

  ArchiveReader& package_;
  MemberReader& members_;
  Seen seen_ = Seen::nothing;
};

Result<void> read_deb(int fd, MemberReader& members) {
  auto package = ArchiveReader::ar(read_descriptor(fd, "the package"));
  if (!package) return package.error();
  return DebReader(*package, members).read();
}

}  // namespace

Result<ArchiveFile> open_archive(const std::string& path) {
  ArchiveFile archive;
  archive.fd = UniqueFd(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!archive.fd) return system_error(path, errno);
  if (path == "-") {
    if (::isatty(archive.fd.get()) != 0) {
      return Error{ErrorCode::usage, "SOURCE '-' is a tar stream on standard input, which is a terminal"};
    }
    return archive;
  }
  std::array<char, 8> start{};
  const ssize_t got = ::pread(archive.fd.get(), start.data(), start.size(), 0);
  if (got < 0 && errno != ESPIPE) return system_error(path, errno);
  const std::string_view bytes(start.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (bytes.starts_with("!<arch>\n")) archive.kind = ArchiveKind::deb;
  if (bytes.starts_with("PK\3\4") || bytes.starts_with("PK\5\6")) archive.kind = ArchiveKind::zip;
  return archive;
}

Result<void> read_archive(const ArchiveFile& archive, ReleaseTree& tree, Progress& progress) {
  auto accounts = scanner::Accounts::load();
  if (!accounts) return accounts.error();
  MemberReader members(tree, progress, std::move(*accounts));
  switch (archive.kind) {
    case ArchiveKind::tar: return read_compressed_tar(read_descriptor(archive.fd.get(), "archive"), members);
    case ArchiveKind::deb: return read_deb(archive.fd.get(), members);
    case ArchiveKind::zip: break;
  }
  auto directory = ZipDirectory::read(archive.fd.get());
  if (!directory) return directory.error();
  members.require_members(*directory);
  const Utf8Names utf8;
  auto reader = ArchiveReader::zip(archive.fd.get());
  if (!reader) return reader.error();
  return members.read_all(*reader);
}

}  // namespace driftd::manifests::tool
