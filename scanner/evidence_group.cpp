#include "scanner/evidence_group.hpp"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>
#include <utility>

#include "scanner/safe_open.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::Result;
using manifests::UniqueFd;

/// On a directory, of itself and of what is in it. Closing is no change: who closes may have written nothing.
constexpr std::uint64_t kMask =
    FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ONDIR | FAN_EVENT_ON_CHILD;
constexpr std::uint64_t kComesOrGoes = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO;
/// Some 150 events, each of which comes with a descriptor.
constexpr std::size_t kBufferSize = 16 * 1024;
constexpr int kReadsAtOnce = 2;
constexpr EntryIndex kEntriesAtOnce = 4096;
constexpr EntryIndex kMarksAtOnce = 256;

FileId identity_of(int directory) {
  const auto stamp = ChangeStamp::of(directory);
  if (!stamp) return {};
  // The upper layer of an overlay may get it later.
  return {stamp->file.device, stamp->file.inode};
}

/// struct fanotify_event_info_fid: header, fsid, then a file_handle, after which there may be a name with its NUL.
struct FileRecord {
  FileSystemId file_system{};
  FileHandle handle;
  const char* behind = nullptr;
};
FileRecord read_file_record(const char* record) {
  FileRecord read;
  const char* at = record + sizeof(fanotify_event_info_header);
  const auto take = [&](auto& value) {
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
  };
  unsigned handle_bytes = 0;
  take(read.file_system);
  take(handle_bytes);
  take(read.handle.type);
  read.handle.bytes.assign(at, handle_bytes);
  read.behind = at + handle_bytes;
  return read;
}

void take_name(const char* record, WatchEvent& event) {
  FileRecord read = read_file_record(record);
  event.file_system = read.file_system;
  event.handle_type = read.handle.type;
  event.handle = std::move(read.handle.bytes);
  event.name = read.behind;
}

/// struct fanotify_event_info_pidfd: header, then the descriptor, or why there is none.
UniqueFd pidfd_in(const char* record) {
  int pidfd = -1;
  std::memcpy(&pidfd, record + sizeof(fanotify_event_info_header), sizeof pidfd);
  return UniqueFd(pidfd >= 0 ? pidfd : -1);
}

std::size_t granted(const char* limit, std::size_t otherwise) {
  std::size_t number = otherwise;
  if (!(std::ifstream(std::string("/proc/sys/fs/fanotify/") + limit) >> number)) return otherwise;
  return number;
}

UniqueFd new_group() {
  return UniqueFd(
      ::fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME_TARGET | FAN_REPORT_PIDFD,
                      O_RDONLY | O_LARGEFILE | O_CLOEXEC));
}

}  // namespace

Result<void> EvidenceGroup::is_granted() {
  if (!new_group()) return manifests::system_error("fanotify", errno);
  return {};
}

// Without these files: the kernel's own defaults, of marks the least.
std::size_t EvidenceGroup::most() { return granted("max_user_groups", 128) / 2; }

std::size_t EvidenceGroup::most_marks() { return granted("max_user_marks", 8192) / 2; }

Result<std::unique_ptr<EvidenceGroup>> EvidenceGroup::open(std::string root,
                                                           std::shared_ptr<const manifests::VerifiedManifest> manifest,
                                                           EvidenceBook& book, std::size_t most_marks) {
  UniqueFd group = new_group();
  if (!group) return manifests::system_error("fanotify", errno);
  return std::unique_ptr<EvidenceGroup>(
      new EvidenceGroup(std::move(group), std::move(root), std::move(manifest), book, most_marks));  // NOLINT: private
}

EvidenceGroup::EvidenceGroup(UniqueFd group, std::string root,
                             std::shared_ptr<const manifests::VerifiedManifest> manifest, EvidenceBook& book,
                             std::size_t most_marks)
    : group_(std::move(group)),
      root_(std::move(root)),
      manifest_(std::move(manifest)),
      book_(book),
      buffer_(kBufferSize) {
  const UniqueFd directory(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) root_identity_ = identity_of(directory.get());
  share_out(most_marks);
  mark_all();
}

void EvidenceGroup::share_out(std::size_t most_marks) {
  const EntryIndex end = manifest_->manifest().size();
  marks_ = 0;
  for (beyond_ = 0; beyond_ < end; ++beyond_) {
    if (!is_to_be_marked(beyond_)) continue;
    if (marks_ == most_marks) return;
    ++marks_;
  }
}

bool EvidenceGroup::is_to_be_marked(EntryIndex entry) const {
  const manifests::Manifest& manifest = manifest_->manifest();
  return manifest.type(entry) == EntryType::directory && !manifest.ignore(entry);
}

bool EvidenceGroup::is_of(const std::string& root, const manifests::VerifiedManifest& manifest) const {
  return root == root_ && manifest.identity() == manifest_->identity() && static_cast<bool>(open_root());
}

/// Held open for as long as it is used and no longer, since an open directory cannot be unmounted.
UniqueFd EvidenceGroup::open_root() const {
  UniqueFd directory(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory && identity_of(directory.get()) != root_identity_) directory.reset();
  return directory;
}

void EvidenceGroup::forget_if_moved() {
  if (!open_root()) book_.forget();
}

void EvidenceGroup::mark_all() {
  next_ = 0;
  end_ = manifest_->manifest().size();
  unmarked_ = 0;
}

void EvidenceGroup::mark_more() {
  const UniqueFd root = open_root();
  if (!root) {
    next_ = end_;
    return;
  }
  const EntryIndex stop = std::min<EntryIndex>(end_, next_ + kEntriesAtOnce);
  for (EntryIndex marked = 0; next_ < stop && marked < kMarksAtOnce && !failed_; ++next_) {
    if (mark(root.get(), next_)) ++marked;
  }
  if (!is_marking() && unmarked_ > 0) {
    trouble_ = "who makes changes in " + std::to_string(unmarked_) +
               " directories will not be known: each user has a number of marks, half of which are left to other "
               "programs (fs.fanotify.max_user_marks)";
  }
}

bool EvidenceGroup::mark(int root, EntryIndex entry) {
  if (!is_to_be_marked(entry)) return false;
  if (entry >= beyond_) return ++unmarked_, false;
  // Parents come before children, so whatever is made meanwhile is told by its parent.
  const UniqueFd directory = open_directory_beneath(root, manifest_->manifest().path(entry));
  if (!directory) return true;
  if (::fanotify_mark(group_.get(), FAN_MARK_ADD | FAN_MARK_ONLYDIR, kMask, directory.get(), nullptr) == 0) return true;
  if (errno == ENOSPC || errno == ENOMEM) {
    ++unmarked_;
  } else if (entry == manifests::kRootEntry) {
    fail(std::strerror(errno));
  }
  return true;
}

void EvidenceGroup::mark_below(const std::string& directory) {
  const manifests::Manifest& manifest = manifest_->manifest();
  const auto entry = manifest.find(directory == "." ? "" : directory);
  const UniqueFd root = entry ? open_root() : UniqueFd();
  if (!root) return;
  for (EntryIndex at = *entry; at < manifest.subtree_end(*entry); ++at) mark(root.get(), at);
}

bool EvidenceGroup::drain(ProcessReader& reader) {
  for (int reads = 0; reads < kReadsAtOnce && !failed_; ++reads) {
    const ssize_t length = ::read(group_.get(), buffer_.data(), buffer_.size());
    if (length > 0) {
      take(buffer_.data(), static_cast<std::size_t>(length), reader);
    } else if (length < 0 && errno == ENOMEM) {
      lose();
    } else if (length < 0 && errno != EINTR && errno != EAGAIN) {
      fail(std::strerror(errno));
    } else if (length == 0 || errno == EAGAIN) {
      ++queue_;
      // Nothing waits, so nothing can have been dropped since.
      if (std::exchange(skipping_, false)) mark_all();
      return true;
    }
  }
  return failed_;
}

void EvidenceGroup::take(const char* data, std::size_t length, ProcessReader& reader) {
  std::vector<Change> changes;
  Known known;
  // Events are padded to four bytes, their type wants eight: so each is copied.
  fanotify_event_metadata metadata;  // NOLINT: copied into
  for (; length >= sizeof metadata; data += metadata.event_len, length -= metadata.event_len) {
    std::memcpy(&metadata, data, sizeof metadata);
    if (metadata.event_len < sizeof metadata || metadata.event_len > length) break;
    if (metadata.vers != FANOTIFY_METADATA_VERSION || (metadata.mask & FAN_Q_OVERFLOW) != 0) {
      lose();
      changes.clear();
      continue;
    }
    Change change{metadata.mask, {}, {}};
    UniqueFd pidfd;
    const char* end = data + metadata.event_len;
    for (const char* info = data + metadata.metadata_len; info < end;) {
      fanotify_event_info_header header;  // NOLINT: copied into
      std::memcpy(&header, info, sizeof header);
      if (header.len == 0) break;
      if (header.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) take_name(info, change.where);
      if (header.info_type == FAN_EVENT_INFO_TYPE_FID) change.where.target = read_file_record(info).handle;
      if (header.info_type == FAN_EVENT_INFO_TYPE_PIDFD) pidfd = pidfd_in(info);
      info += header.len;
    }
    if (metadata.pid == ::getpid()) continue;
    // At once, and of all before anything else is done: processes do not wait.
    if (!skipping_) change.by = who(metadata.pid, pidfd.get(), reader, known);
    changes.push_back(std::move(change));
  }
  Places places;
  for (const Change& change : changes) note(change, places);
}

void EvidenceGroup::note(const Change& change, Places& places) {
  const auto path = path_of(change.where, places);
  if (!path) return;
  if ((change.mask & FAN_ONDIR) != 0 && (change.mask & kComesOrGoes) != 0 && change.where.name != ".") {
    book_.forget_below(*path);
    if ((change.mask & (FAN_CREATE | FAN_MOVED_TO)) != 0) mark_below(*path);
  }
  if (skipping_) return;
  Toucher by = change.by;
  switch (stands(change, *path, places, by)) {
    case Stands::not_there: return;  // who put something else in its place is told next
    case Stands::with_others: by.forget_who(); break;
    case Stands::alone: break;
  }
  book_.note(*path, std::move(by), std::time(nullptr), EvidenceBook::Clock::now());
}

/// Whether a path is the name of that file still, which somebody may hold open who lost the name to another, and
/// whether it is the only one: with others, or where nobody knows, it may be changed by those who are not told of here.
/// Who gives a name to something else, or takes it away, has done that in any case.
EvidenceGroup::Stands EvidenceGroup::stands(const Change& change, const std::string& path, Places& places,
                                            Toucher& by) const {
  const bool changes_names = (change.mask & kComesOrGoes) != 0 || change.where.name == ".";
  if (!places.root) places.root = open_root();
  if (!places.root) return book_.forget(), Stands::not_there;
  if ((change.mask & kComesOrGoes) != 0) {
    const auto parent = parent_stamp(places.root.get(), path);
    if (parent) by.directory = Toucher::Directory{std::string(parent_of(path)), parent->file, parent->changed};
  }
  const UniqueFd there = reach_beneath(places.root.get(), path.c_str());
  struct statx status;  // NOLINT: filled by the kernel
  if (!there || ::statx(there.get(), "", AT_EMPTY_PATH, ChangeStamp::kStatxMask, &status) != 0) {
    by.is_gone = errno == ENOENT;
    if (by.is_gone && by.directory) by.file = by.directory->file, by.changed = by.directory->changed;
    if (changes_names) return Stands::alone;
    return errno == ENOENT || errno == ENOTDIR ? Stands::not_there : Stands::with_others;
  }
  const ChangeStamp stamp = ChangeStamp::of(status);
  by.file = stamp.file;
  by.changed = stamp.changed;
  by.is_directory = S_ISDIR(status.stx_mode);
  if (changes_names) return Stands::alone;
  const auto present = handle_of(there.get(), "");
  if (!present) return Stands::with_others;
  if (*present != change.where.target) return Stands::not_there;
  return status.stx_nlink > 1 && !S_ISDIR(status.stx_mode) ? Stands::with_others : Stands::alone;
}

Toucher EvidenceGroup::who(std::int32_t pid, int pidfd, ProcessReader& reader, Known& known) {
  // All of a batch's descriptors were made before the first process was read, which was there all the while: its number
  // in a later event, which came with a descriptor, is no other's.
  if (const auto at = known.find(pid); pidfd >= 0 && at != known.end()) return at->second;
  // The numbers first: as long as the process is there nobody else has its own.
  Toucher toucher{nullptr, pid, reader.numbers(), queue_};
  auto evidence = pidfd >= 0 ? reader.read(pidfd) : std::nullopt;
  if (!evidence) return toucher;
  if (!latest_ || *latest_ != *evidence) latest_ = std::make_shared<const Evidence>(std::move(*evidence));
  toucher.process = latest_;
  known.insert_or_assign(pid, toucher);
  return toucher;
}

/// Nothing for what is outside the tree. Where it cannot be found out, all that was touched is in doubt.
std::optional<std::string> EvidenceGroup::path_of(const WatchEvent& event, Places& places) {
  if (!places.paths) {
    const auto root = TreeRoot::open(root_);
    const auto file_system = root ? root->file_system() : root.error();
    // What happens in a directory that the path does not lead to for a while cannot be told.
    if (!file_system || identity_of(root->fd.get()) != root_identity_) {
      book_.forget();
      return std::nullopt;
    }
    places.paths.emplace(root_, root->identity, *file_system);
  }
  const auto [at, fresh] = places.directories.try_emplace(event.handle);
  if (fresh) {
    // Any name that is in no doubt: the directory is asked for.
    WatchEvent inside = event;
    inside.name = "-";
    const auto scope = places.paths->resolve({inside});
    if (!scope || scope->is_whole()) book_.forget();
    if (scope && !scope->paths().empty()) {
      const std::string path = scope->paths().begin()->str();
      at->second = path.size() > 2 ? path.substr(0, path.size() - 2) : "";
    }
  }
  if (!at->second) return std::nullopt;
  if (event.name == ".") return at->second->empty() ? "." : *at->second;
  return at->second->empty() ? event.name : *at->second + "/" + event.name;
}

void EvidenceGroup::lose() {
  skipping_ = true;
  ++lost_;
  book_.forget();
}

void EvidenceGroup::fail(const std::string& why) {
  failed_ = true;
  book_.forget();
  trouble_ = "who makes changes will not be known: fanotify: " + why;
}

std::string EvidenceGroup::take_trouble() {
  if (!trouble_.empty()) return std::exchange(trouble_, {});
  if (std::exchange(lost_, 0) == 0) return {};
  return "changes came too fast to learn who made all of them";
}

}  // namespace driftd::scanner
