#include "scanner/observe.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <thread>

#include "scanner/known_files.hpp"
#include "scanner/safe_open.hpp"
#include "scanner/tree_root.hpp"

namespace driftd::scanner {
namespace {

using manifests::UniqueFd;

constexpr int kAttempts = 4;
/// What a disk reads at least; a file's last page counts whole.
constexpr std::uint64_t kPage = 4096;
/// After so much it is worth a look whether there is any use in reading on.
constexpr std::uint64_t kLookAgain = 64 * 1024 * 1024;
constexpr unsigned kStatMask = ChangeStamp::kStatxMask | STATX_MNT_ID;

constexpr std::string_view kCapability = "security.capability";
constexpr std::string_view kAcl = "system.posix_acl_access";

Observation failure(UnverifiedReason reason, int error) { return {Outcome::unverified, reason, error}; }

Observation failure(int error) {
  switch (error) {
    case EACCES:
    case EPERM: return failure(UnverifiedReason::permission, error);
    case EXDEV: return failure(UnverifiedReason::mount, error);
    case EMFILE:
    case ENFILE:
    case ENOMEM: return failure(UnverifiedReason::limit, error);
    default: return failure(UnverifiedReason::io, error);
  }
}

/// Bytes of the pages that hold a file's content from `begin` to `end`, without one that was begun before.
std::uint64_t page_bytes(std::uint64_t begin, std::uint64_t end) {
  const auto pages = [](std::uint64_t bytes) { return bytes / kPage + (bytes % kPage != 0 ? 1 : 0); };
  return (pages(end) - pages(begin)) * kPage;
}

bool same_time(const statx_timestamp& a, const statx_timestamp& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/// True where nothing was written between the two looks at one open file, or in the same tick of the clock as the last
/// change before them (see ChangeStamp).
bool unmoved(const struct statx& before, const struct statx& after) {
  return before.stx_size == after.stx_size && same_time(before.stx_mtime, after.stx_mtime) &&
         same_time(before.stx_ctime, after.stx_ctime);
}

/// The attributes beyond stat that matter, by whatever `list(buffer, size)` and `get(name, buffer, size)` reach them.
/// Returns 0 or errno. One list call settles the common case of a file that has none.
template <class List, class Get>
int read_attributes(List list, Get get, Observed& observed) {
  std::array<char, 4096> names;  // NOLINT: filled by the kernel
  ssize_t length = list(names.data(), names.size());
  if (length == 0 || (length < 0 && (errno == ENOTSUP || errno == ENOSYS))) return 0;
  bool capability = true;
  bool acl = true;
  if (length > 0) {
    const std::string_view all(names.data(), static_cast<std::size_t>(length));
    const auto has = [&](std::string_view name) {
      for (std::string_view rest = all; !rest.empty();) {
        const std::string_view one = rest.substr(0, rest.find('\0'));
        if (one == name) return true;
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      }
      return false;
    };
    capability = has(kCapability);
    acl = has(kAcl);
  } else if (errno != ERANGE) {
    return errno;
  }
  // A list that does not fit tells nothing, so both are asked for then.
  std::array<char, 65536> value;  // NOLINT: the kernel's limit on one attribute
  for (const bool is_acl : {false, true}) {
    if (!(is_acl ? acl : capability)) continue;
    length = get(is_acl ? kAcl.data() : kCapability.data(), value.data(), value.size());
    if (length < 0 && (errno == ENODATA || errno == ENOTSUP)) continue;
    if (length < 0) return errno;
    const std::string_view raw(value.data(), static_cast<std::size_t>(length));
    if (is_acl) {
      manifests::Blake3 hash;
      hash.update(raw);
      observed.acl = hash.finish();
    } else {
      observed.capability = raw;
    }
  }
  return 0;
}

int read_attributes_of(int fd, Observed& observed) {
  return read_attributes(
      [&](char* buffer, std::size_t size) { return ::flistxattr(fd, buffer, size); },
      [&](const char* name, char* buffer, std::size_t size) { return ::fgetxattr(fd, name, buffer, size); }, observed);
}

/// The same of what is reached and not opened: through /proc, which needs no permission to read the file. ENOENT: no
/// /proc is mounted.
int read_attributes_of_reached(int fd, Observed& observed) {
  const std::string path = "/proc/thread-self/fd/" + std::to_string(fd);
  return read_attributes(
      [&](char* buffer, std::size_t size) { return ::listxattr(path.c_str(), buffer, size); },
      [&](const char* name, char* buffer, std::size_t size) { return ::getxattr(path.c_str(), name, buffer, size); },
      observed);
}

/// The same by opening it, for where there is no /proc. `status`: of what was reached there.
Observation open_for_attributes(int directory, const char* name, const struct statx& status, Observed& observed) {
  const UniqueFd fd = open_file_at(directory, name);
  const int error = errno;
  const bool has_changed = error == ENOENT || error == ELOOP || error == ENXIO || error == ENODEV;
  if (!fd) return has_changed || error == EAGAIN ? failure(UnverifiedReason::unstable, error) : failure(error);
  struct statx opened;  // NOLINT: filled by the kernel
  if (::statx(fd.get(), "", AT_EMPTY_PATH, kStatMask, &opened) != 0) return failure(errno);
  const bool is_same = opened.stx_ino == status.stx_ino && opened.stx_dev_major == status.stx_dev_major &&
                       opened.stx_dev_minor == status.stx_dev_minor;
  if (!is_same) return failure(UnverifiedReason::unstable, 0);
  const int failed = read_attributes_of(fd.get(), observed);
  return failed == 0 ? Observation{} : failure(failed);
}

}  // namespace

Observation Observer::failed(int error) { return failure(error); }

std::optional<std::uint64_t> mount_of(int fd) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) return std::nullopt;
  return status.stx_mnt_id;
}

Observer::Observer(std::uint64_t mount, Throttle* throttle, const StatCache* cache, std::stop_token stop,
                   ScanProgress::Place* place, std::uint64_t accounts)
    : mount_(mount),
      throttle_(throttle),
      cache_(cache),
      accounts_(accounts),
      place_(place != nullptr ? *place : unwatched_),
      stop_(std::move(stop)),
      buffer_(std::make_unique_for_overwrite<unsigned char[]>(QuietReader::kChunk)) {}

void Observer::fill(const struct statx& status, Observed& observed) const {
  observed = Observed{};
  observed.type = file_type(status.stx_mode);
  observed.mode = status.stx_mode & 07777U;
  observed.uid = status.stx_uid;
  observed.gid = status.stx_gid;
  observed.size = status.stx_size;
  observed.file = FileId::of(status);
  observed.changed_at = status.stx_ctime.tv_sec;
  observed.changed_nanoseconds = status.stx_ctime.tv_nsec;
  observed.names_changed_last = were_names_changed_last(status);
  if (cache_ != nullptr) observed.fingerprint = cache_->fingerprint(status, accounts_);
}

void Observer::number(int directory, const char* name, const ContentWanted& wanted, Observed& observed) const {
  const bool is_known = wanted.known != 0 && observed.fingerprint == wanted.known;
  if (cache_ == nullptr || !wanted.number || is_known) return;
  if (const auto handle = handle_of(directory, name)) observed.number = file_number(*handle);
}

Observation Observer::observe(int directory, const char* name, const ContentWanted& wanted, Observed& observed) {
  if (!wanted.any()) return observe_unopened(directory, name, wanted, observed);
  return observe(directory, name, wanted, kAttempts, observed);
}

Observation Observer::observe_again(int directory, const char* name, const ContentWanted& wanted, Observed& observed) {
  return observe(directory, name, wanted, kAttempts - 1, observed);
}

Observation Observer::observe(int directory, const char* name, const ContentWanted& wanted, int attempts,
                              Observed& observed) {
  for (int attempt = 0; attempt < attempts; ++attempt) {
    OpenFile file;
    if (const auto instead = open(directory, name, wanted, observed, file)) {
      if (instead->is_unstable()) continue;
      return *instead;
    }
    Attempt result = Attempt::done;
    const Observation seen = inspect(file, wanted, true, observed, result);
    if (result == Attempt::done) return seen;
    if (result == Attempt::not_a_file) return observe_unopened(directory, name, wanted, observed);
  }
  return failure(UnverifiedReason::unstable, 0);
}

Observation Observer::begin(int directory, const char* name, const ContentWanted& wanted, Observed& observed,
                            OpenFile& file) {
  if (!wanted.any()) return observe_unopened(directory, name, wanted, observed);
  if (const auto instead = open(directory, name, wanted, observed, file)) {
    return instead->is_unstable() ? observe_again(directory, name, wanted, observed) : *instead;
  }
  Attempt result = Attempt::done;
  const Observation seen = inspect(file, wanted, false, observed, result);
  switch (result) {
    case Attempt::done: return seen;
    case Attempt::not_a_file: return observe_unopened(directory, name, wanted, observed);
    case Attempt::not_cached: return {Outcome::not_cached, {}, 0};
    case Attempt::moved: break;
  }
  return observe_again(directory, name, wanted, observed);
}

Observation Observer::finish(OpenFile& file, const ContentWanted& wanted, Observed& observed) {
  Attempt result = Attempt::done;
  const Observation seen = hash(file, wanted, true, observed, result);
  return result == Attempt::done ? seen : failure(UnverifiedReason::unstable, 0);
}

std::optional<Observation> Observer::open(int directory, const char* name, const ContentWanted& wanted,
                                          Observed& observed, OpenFile& file) {
  file.fd_ = open_file_at(directory, name);
  const int error = errno;
  ScanProgress::Place::count(place_.steps);
  if (file.fd_) return std::nullopt;
  if (error == ENOENT) return Observation{Outcome::vanished, {}, 0};
  if (error == EXDEV) return failure(error);  // what is mounted there may not answer
  const Observation seen = observe_unopened(directory, name, wanted, observed);
  // A link, a socket or a device without a driver cannot be opened and need not be.
  if (seen.outcome != Outcome::seen || observed.type != FileType::file) return seen;
  // Another process has a write lease on it, and is told by the kernel that it is wanted.
  if (error == EAGAIN) return wait_briefly(), failure(UnverifiedReason::unstable, error);
  // It was one of them a moment ago.
  const bool has_changed = error == ELOOP || error == ENXIO || error == ENODEV;
  return has_changed ? failure(UnverifiedReason::unstable, error) : failure(error);
}

void Observer::wait_briefly() const {
  constexpr int kMilliseconds = 100;
  for (int i = 0; i < kMilliseconds && !stop_.stop_requested(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Observation Observer::inspect(OpenFile& file, const ContentWanted& wanted, bool may_wait, Observed& observed,
                              Attempt& attempt) {
  const int fd = file.fd_.get();
  if (!look_before(file, wanted)) return failure(errno);
  if (file.before_.stx_mnt_id != mount_) return failure(UnverifiedReason::mount, 0);
  if (!S_ISREG(file.before_.stx_mode)) return attempt = Attempt::not_a_file, Observation{};
  fill(file.before_, observed);
  number(fd, "", wanted, observed);
  if (const int error = read_attributes_of(fd, observed); error != 0) return failure(error);
  if (has_other_size(file, wanted)) return {};
  file.reader_.emplace(fd, observed.size, most_ahead());
  return hash(file, wanted, may_wait, observed, attempt);
}

Observation Observer::hash(OpenFile& file, const ContentWanted& wanted, bool may_wait, Observed& observed,
                           Attempt& attempt) {
  if (wanted.blake3) blake3_.reset();
  if (wanted.sha256) sha256_.reset();
  const std::uint64_t chunk = most_at_once();
  for (std::uint64_t left = observed.size; left > 0;) {
    const std::size_t most = std::min<std::uint64_t>(left, file.paid_ != 0 ? file.paid_ : chunk);
    const std::uint64_t position = observed.size - left;
    pay_for(file, position, most);
    if (stop_.stop_requested()) return {Outcome::stopped, {}, 0};
    // Whose beginning is in memory is read to the end.
    const bool is_first = left == observed.size;
    const ssize_t got = may_wait || !is_first ? file.reader_->read(buffer_.get(), most)
                                              : file.reader_->read_if_cached(buffer_.get(), most);
    if (got < 0 && errno == EAGAIN && !may_wait) return attempt = Attempt::not_cached, Observation{};
    if (got < 0) return failure(errno);
    if (got == 0) return attempt = Attempt::moved, Observation{};  // shrunk meanwhile
    const auto length = static_cast<std::size_t>(got);
    settle(file, position, length);
    if (wanted.blake3) blake3_.update(buffer_.get(), length);
    if (wanted.sha256) sha256_.update(buffer_.get(), length);
    left -= length;
    if (left > 0 && position / kLookAgain != (position + length) / kLookAgain && has_moved(file)) {
      return attempt = Attempt::moved, Observation{};
    }
    counters_.hashed_bytes += length;
    ScanProgress::Place::count(place_.bytes, length);
    ScanProgress::Place::count(place_.steps);
  }
  ++counters_.hashed_files;
  if (wanted.blake3) observed.blake3 = blake3_.finish();
  if (wanted.sha256) observed.sha256 = sha256_.finish();
  struct statx after;  // NOLINT: filled by the kernel
  if (::statx(file.fd_.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &after) != 0) return failure(errno);
  if (!unmoved(file.before_, after) || !file.can_tell_) attempt = Attempt::moved;
  return {};
}

void Observer::pay_for(OpenFile& file, std::uint64_t position, std::size_t most) {
  if (throttle_ == nullptr || file.paid_ != 0) return;
  throttle_->pay(page_bytes(position, position + most), place_, stop_);
  file.paid_ = most;
}

void Observer::settle(OpenFile& file, std::uint64_t position, std::size_t length) {
  if (throttle_ != nullptr && length < file.paid_) {
    throttle_->give_back(page_bytes(position + length, position + file.paid_));
  }
  file.paid_ = 0;
}

bool Observer::has_other_size(const OpenFile& file, const ContentWanted& wanted) {
  return wanted.size && *wanted.size != file.before_.stx_size;
}

bool Observer::has_moved(const OpenFile& file) {
  struct statx now;  // NOLINT: filled by the kernel
  return ::statx(file.fd_.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &now) == 0 && !unmoved(file.before_, now);
}

std::uint64_t Observer::most_at_once() const {
  if (throttle_ == nullptr) return QuietReader::kChunk;
  const auto most = std::clamp<std::uint64_t>(throttle_->most_at_once(), kPage, QuietReader::kChunk);
  return most - most % kPage;
}

std::uint64_t Observer::most_ahead() const {
  const std::uint64_t most = most_at_once();
  return most == QuietReader::kChunk ? QuietReader::kAhead : 2 * most;
}

/// False with errno set. Where the file was changed a moment ago and its content is to be read, a moment is waited,
/// once.
bool Observer::look_before(OpenFile& file, const ContentWanted& wanted) const {
  for (const bool is_last : {false, true}) {
    const FileTime now = FileTime::now();
    if (::statx(file.fd_.get(), "", AT_EMPTY_PATH, kStatMask, &file.before_) != 0) return false;
    const ChangeStamp stamp = ChangeStamp::of(file.before_);
    file.can_tell_ = stamp.told_apart(now) || stamp.is_fine(file.fd_.get());
    if (is_last || !S_ISREG(file.before_.stx_mode) || file.can_tell_ || has_other_size(file, wanted)) break;
    stamp.wait_for_next_tick(stop_);
  }
  return true;
}

Observation Observer::observe_unopened(int directory, const char* name, const ContentWanted& wanted,
                                       Observed& observed) {
  Observation seen;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    seen = look_unopened(directory, name, wanted, observed);
    ScanProgress::Place::count(place_.steps);
    if (!seen.is_unstable()) break;
  }
  return seen;
}

Observation Observer::look_unopened(int directory, const char* name, const ContentWanted& wanted,
                                    Observed& observed) const {
  const UniqueFd there = reach_beneath(directory, name);
  struct statx status;  // NOLINT: filled by the kernel
  if (!there || ::statx(there.get(), "", AT_EMPTY_PATH, kStatMask, &status) != 0) {
    if (errno == ENOENT) return {Outcome::vanished, {}, 0};
    return failure(errno);
  }
  if (status.stx_mnt_id != mount_) return failure(UnverifiedReason::mount, 0);
  fill(status, observed);
  if (observed.type != FileType::directory) number(there.get(), "", wanted, observed);
  if (observed.type == FileType::symlink) {
    std::array<char, PATH_MAX> target;  // NOLINT: filled by the kernel
    const ssize_t length = ::readlinkat(there.get(), "", target.data(), target.size());
    if (length < 0) return failure(errno);
    observed.target.assign(target.data(), static_cast<std::size_t>(length));
  } else if (observed.type == FileType::file) {
    const int error = read_attributes_of_reached(there.get(), observed);
    if (error == ENOENT) return open_for_attributes(directory, name, status, observed);
    if (error != 0) return failure(error);
  }
  return {};
}

StatCache::Fingerprint Observer::fingerprint(int directory, const char* name) const {
  struct statx status;  // NOLINT: filled by the kernel
  const int failed = ::statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kStatMask, &status);
  ScanProgress::Place::count(place_.steps);
  if (failed != 0) return 0;
  return cache_->fingerprint(status, accounts_);
}

Observation Observer::observe_directory(int directory, Observed& observed, ChangeStamp* stamp) {
  struct statx status;  // NOLINT: filled by the kernel
  if (::statx(directory, "", AT_EMPTY_PATH, kStatMask, &status) != 0) return failure(errno);
  ScanProgress::Place::count(place_.steps);
  if (status.stx_mnt_id != mount_) return failure(UnverifiedReason::mount, 0);
  fill(status, observed);
  if (stamp != nullptr) *stamp = ChangeStamp::of(status);
  if (const int error = read_attributes_of(directory, observed); error != 0) return failure(error);
  return {};
}

}  // namespace driftd::scanner
