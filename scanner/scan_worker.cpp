#include "scanner/scan_worker.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "scanner/compare.hpp"
#include "scanner/safe_open.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::kRootEntry;
using manifests::Manifest;
using manifests::RelPath;

constexpr std::string_view kRootPath = ".";
/// Enough files that handing them to another thread is worth a lock, few enough to share a large directory evenly.
constexpr std::size_t kBatch = 256;
/// How often a directory may turn into something else and back before it counts as unstable.
constexpr unsigned kDirectoryAttempts = 3;

std::string join(std::string_view directory, std::string_view name) {
  if (directory == kRootPath) return std::string(name);
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path.append(directory).append(1, '/').append(name);
  return path;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? kRootPath : path.substr(0, slash);
}

/// A name with the NUL that system calls want, without touching the heap.
class CName {
 public:
  explicit CName(std::string_view name) {
    std::memcpy(text_.data(), name.data(), name.size());
    text_[name.size()] = '\0';
  }
  [[nodiscard]] const char* get() const { return text_.data(); }

 private:
  std::array<char, manifests::kMaxComponent + 1> text_;  // NOLINT: set above
};

/// The errno of opening what was a directory a moment ago and is none any more, or no longer there.
bool changed_meanwhile(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

bool is_directory_type(unsigned char type) { return type == DT_DIR; }

unsigned char directory_entry_type(FileType type) {
  switch (type) {
    case FileType::file: return DT_REG;
    case FileType::directory: return DT_DIR;
    case FileType::symlink: return DT_LNK;
    default: return DT_FIFO;  // anything that no manifest lists
  }
}

/// What stands at a name, or errno.
struct Look {
  int error = 0;
  unsigned char type = DT_UNKNOWN;
};

Look look_at(int directory, const char* name) {
  struct stat status {};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return {errno, DT_UNKNOWN};
  return {0, directory_entry_type(file_type(status.st_mode))};
}

ContentWanted content_wanted(const Manifest& manifest, EntryIndex entry) {
  ContentWanted wanted;
  wanted.blake3 = manifest.blake3(entry) != nullptr;
  wanted.sha256 = !wanted.blake3 && manifest.sha256(entry) != nullptr;
  wanted.size = manifest.size_of(entry);
  return wanted;
}

}  // namespace

ScanWorker::ScanWorker(SharedScan& shared)
    : shared_(shared),
      manifest_(shared.manifest),
      observer_(shared.mount, shared.options.throttle.get(), shared.stop) {}

void ScanWorker::seed_whole() {
  result_.scope.add_whole();
  shared_.queue.push(DirectoryTask{std::string(kRootPath), kRootEntry});
}

std::optional<ScanWorker::Seat> ScanWorker::find_seat(const RelPath& path) {
  OpenDirectory directory{open_directory_beneath(shared_.root, kRootPath), std::string(kRootPath), kRootEntry};
  int error = directory.fd ? 0 : errno;
  std::string_view rest = path.str();
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    const std::string at = join(directory.path, name);
    const Exemptions::Directory* rules = shared_.plan.exemptions.in(directory.path);
    const auto exempt = rules != nullptr ? rules->judge(name) : Exemptions::Verdict::none;
    if (exempt == Exemptions::Verdict::nested) return std::nullopt;

    const auto child = directory.entry ? manifest_.find_child(*directory.entry, name) : std::nullopt;
    const bool is_last = slash == std::string_view::npos;
    const bool may_hold_more =
        child ? manifest_.type(*child) == EntryType::directory
              : directory.free || exempt == Exemptions::Verdict::passage || manifest_.is_mutable(at);
    manifests::UniqueFd below;
    if (!is_last && may_hold_more && error == 0) {
      below = open_directory_beneath(shared_.root, at);
      if (!below && !changed_meanwhile(errno)) error = errno;
    }
    // Here the path ends, or whatever is wrong starts above its end.
    if (!below) return Seat{std::move(directory), name, *RelPath::parse(at), error};
    directory = OpenDirectory{std::move(below), at, child, directory.free || (child && manifest_.ignore(*child))};
    rest.remove_prefix(slash + 1);
  }
}

void ScanWorker::seed_paths(const Scope& asked) {
  // Two rounds, so that two paths below one missing directory become one.
  for (const RelPath& path : asked.paths()) {
    if (const auto seat = find_seat(path)) result_.scope.add(seat->path);
  }
  for (const RelPath& path : result_.scope.paths()) {
    const auto seat = find_seat(path);
    if (seat && seat->path == path) {
      visit_alone(*seat);
    } else {
      const Observation unstable{Outcome::unverified, UnverifiedReason::unstable, 0};
      report_unverified(path.str(), manifest_.find(path.str()),
                        seat && seat->error != 0 ? Observer::failed(seat->error) : unstable);
    }
  }
}

void ScanWorker::visit_alone(const Seat& seat) {
  const OpenDirectory& directory = seat.directory;
  exempt_ = shared_.plan.exemptions.in(directory.path);
  const auto child = directory.entry ? manifest_.find_child(*directory.entry, seat.name) : std::nullopt;
  children_ = child ? std::span(&*child, 1) : std::span<const EntryIndex>();
  seen_.assign(children_.size(), false);
  files_.clear();
  const Look look = directory.fd ? look_at(directory.fd.get(), seat.name.c_str()) : Look{seat.error};
  if (look.error == 0) {
    visit(directory, seat.name.c_str(), seat.name.size(), look.type);
    check_files(directory, files_);
  } else if (look.error != ENOENT) {
    report_unverified(seat.path.str(), child, Observer::failed(look.error));
  } else if (child) {
    check_missing(seat.path.str(), *child);
  }
}

void ScanWorker::run() {
  bool busy = false;
  while (auto task = shared_.queue.next(busy)) {
    busy = true;
    if (shared_.stop.stop_requested()) return shared_.queue.cancel();
    if (const auto* directory = std::get_if<DirectoryTask>(&*task)) {
      walk(*directory);
    } else {
      const auto& files = std::get<FilesTask>(*task);
      check_files(*files.directory, files.files);
    }
    tell_progress();
  }
}

void ScanWorker::tell_progress() {
  ScanProgress* progress = shared_.options.progress.get();
  if (progress == nullptr) return;
  const std::uint64_t bytes = observer_.counters().hashed_bytes;
  progress->entries.fetch_add(result_.entries - std::exchange(told_entries_, result_.entries),
                              std::memory_order_relaxed);
  progress->bytes.fetch_add(bytes - std::exchange(told_bytes_, bytes), std::memory_order_relaxed);
}

ScanResult ScanWorker::take_result() {
  result_.hashed_files = observer_.counters().hashed_files;
  result_.hashed_bytes = observer_.counters().hashed_bytes;
  return std::move(result_);
}

void ScanWorker::walk(const DirectoryTask& task) {
  auto directory = std::make_shared<OpenDirectory>();
  directory->fd = open_directory_beneath(shared_.root, task.path);
  directory->path = task.path;
  directory->entry = task.entry;
  directory->free = task.free;
  if (!directory->fd) return directory_failed(task, errno);
  if (task.entry) {
    Observed observed;
    const Observation seen = observer_.observe_directory(directory->fd.get(), observed);
    if (seen.outcome != Outcome::seen) return report_unverified(task.path, task.entry, seen);
    if (auto finding = compare(manifest_, *task.entry, observed, shared_.plan.accounts)) {
      report(std::move(*finding), task.path);
    }
    ++result_.entries;
  }
  list(directory);
}

void ScanWorker::directory_failed(const DirectoryTask& task, int error) {
  if (!changed_meanwhile(error) || task.path == kRootPath) {
    return report_unverified(task.path, task.entry, Observer::failed(error));
  }
  if (task.attempt + 1 >= kDirectoryAttempts) {
    return report_unverified(task.path, task.entry, {Outcome::unverified, UnverifiedReason::unstable, error});
  }
  // It was a directory a moment ago. Look again at what stands there now.
  const std::string parent_path(parent_of(task.path));
  OpenDirectory parent{open_directory_beneath(shared_.root, parent_path), parent_path, {}};
  const int parent_error = parent.fd ? 0 : errno;
  const CName name(RelPath::parse(task.path)->name());
  const Look look =
      parent.fd ? look_at(parent.fd.get(), name.get()) : Look{changed_meanwhile(parent_error) ? ENOENT : parent_error};
  if (look.error == 0 && look.type == DT_DIR) {
    shared_.queue.push(DirectoryTask{task.path, task.entry, task.free, task.attempt + 1});
  } else if (look.error != 0 && look.error != ENOENT) {
    report_unverified(task.path, task.entry, Observer::failed(look.error));
  } else if (task.entry) {
    look.error == 0 ? check_listed(parent, *task.entry) : check_missing(task.path, *task.entry);
  } else if (look.error == 0) {
    parent.free = task.free;
    visit_unlisted(parent, name.get(), look.type);
  }
}

void ScanWorker::list(const std::shared_ptr<const OpenDirectory>& directory) {
  exempt_ = shared_.plan.exemptions.in(directory->path);
  children_ = directory->entry ? manifest_.children(*directory->entry) : std::span<const EntryIndex>();
  seen_.assign(children_.size(), false);
  files_.clear();
  const int error = listing_.for_each(
      directory->fd.get(),
      [&](const char* name, std::size_t length, unsigned char type) { visit(*directory, name, length, type); });
  // ENOENT: the directory was removed meanwhile, so no name is left in it.
  if (error != 0 && error != ENOENT) {
    // Some names are not known, so nothing can be said of the directory as a whole; what was seen stays judged.
    report_unverified(directory->path, std::nullopt, Observer::failed(error));
  }
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (seen_[i]) continue;
    // A rename during the listing can hide a name that is there all the time, so a direct look decides.
    const EntryIndex entry = children_[i];
    if (exempt_ != nullptr && exempt_->judge(manifest_.name(entry)) == Exemptions::Verdict::nested) {
      account(entry);
      continue;
    }
    const CName name(manifest_.name(entry));
    const Look look = look_at(directory->fd.get(), name.get());
    if (look.error == 0) {
      visit(*directory, name.get(), manifest_.name(entry).size(), look.type);
    } else if (look.error == ENOENT) {
      check_missing(join(directory->path, manifest_.name(entry)), entry);
    } else {
      report_unverified(join(directory->path, manifest_.name(entry)), entry, Observer::failed(look.error));
    }
  }
  hash_found_files(directory);
}

void ScanWorker::visit(const OpenDirectory& directory, const char* name, std::size_t length, unsigned char type) {
  if (type == DT_UNKNOWN) {  // some file systems leave the type out
    const Look look = look_at(directory.fd.get(), name);
    if (look.error == ENOENT) return;
    if (look.error != 0)
      return report_unverified(join(directory.path, name), std::nullopt, Observer::failed(look.error));
    type = look.type;
  }
  const std::string_view wanted(name, length);
  const auto at =
      std::lower_bound(children_.begin(), children_.end(), wanted,
                       [&](EntryIndex child, std::string_view value) { return manifest_.name(child) < value; });
  const bool listed = at != children_.end() && manifest_.name(*at) == wanted;
  const auto exempt = exempt_ != nullptr ? exempt_->judge(wanted) : Exemptions::Verdict::none;
  if (listed) {
    const auto position = static_cast<std::size_t>(at - children_.begin());
    if (seen_[position]) return;
    seen_[position] = true;
    exempt == Exemptions::Verdict::nested ? account(*at) : visit_listed(directory, *at, type);
  } else if (exempt == Exemptions::Verdict::passage && is_directory_type(type)) {
    shared_.queue.push(DirectoryTask{join(directory.path, wanted), std::nullopt, directory.free});
  } else if (exempt == Exemptions::Verdict::nested) {
    return;
  } else if (exempt == Exemptions::Verdict::manifest) {
    visit_own_manifest(directory, name, type);
  } else {
    visit_unlisted(directory, name, type);
  }
}

void ScanWorker::visit_listed(const OpenDirectory& directory, EntryIndex entry, unsigned char type) {
  const EntryType expected = manifest_.type(entry);
  if (expected == EntryType::file && type == DT_REG) {
    files_.push_back(entry);
  } else if (expected == EntryType::directory && type == DT_DIR) {
    shared_.queue.push(DirectoryTask{join(directory.path, manifest_.name(entry)), entry, manifest_.ignore(entry)});
  } else {
    check_listed(directory, entry);
  }
}

void ScanWorker::visit_unlisted(const OpenDirectory& directory, const char* name, unsigned char type) {
  std::string path = join(directory.path, name);
  const bool is_free = directory.free || manifest_.is_mutable(path);
  if (!is_free) {
    if (shared_.plan.report_additions) report_added(directory, name, path);
    return;
  }
  ++result_.unchecked;
  if (is_directory_type(type)) {
    shared_.queue.push(DirectoryTask{std::move(path), std::nullopt, directory.free});
    return;
  }
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), name, {}, observed);
  if (seen.outcome == Outcome::unverified) return report_unverified(std::move(path), std::nullopt, seen);
  if (seen.outcome != Outcome::seen) return;
  if (auto finding = judge_mutable(observed)) report(std::move(*finding), std::move(path));
}

void ScanWorker::visit_own_manifest(const OpenDirectory& directory, const char* name, unsigned char type) {
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), name, {}, observed);
  if (seen.outcome == Outcome::unverified) return report_unverified(join(directory.path, name), std::nullopt, seen);
  if (seen.outcome == Outcome::seen && !can_be_own_manifest(observed)) visit_unlisted(directory, name, type);
}

void ScanWorker::report_added(const OpenDirectory& directory, const char* name, const std::string& path) {
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), name, {}, observed);
  if (seen.outcome == Outcome::vanished) return;
  if (seen.outcome != Outcome::seen) return report_unverified(path, std::nullopt, seen);
  Finding finding = added(observed);
  if (observed.type == FileType::directory) count_below(path, finding);
  report(std::move(finding), path);
}

void ScanWorker::count_below(const std::string& path, Finding& finding) {
  std::set<std::string> first;
  std::vector<std::string> directories{path};
  while (!directories.empty() && !shared_.stop.stop_requested()) {
    const std::string directory = std::move(directories.back());
    directories.pop_back();
    const manifests::UniqueFd fd = open_directory_beneath(shared_.root, directory);
    if (!fd) continue;  // the finding says already that the whole is not as it should be
    (void)DirectoryListing().for_each(fd.get(), [&](const char* name, std::size_t, unsigned char type) {
      ++finding.below;
      std::string below = join(directory, name);
      if (is_directory_type(type)) directories.push_back(below);
      first.insert(std::move(below));
      if (first.size() > Finding::kFirstBelow) first.erase(std::prev(first.end()));
    });
  }
  finding.first_below.assign(first.begin(), first.end());
}

void ScanWorker::hash_found_files(const std::shared_ptr<const OpenDirectory>& directory) {
  std::size_t end = files_.size();
  for (; end > kBatch; end -= kBatch) {
    shared_.queue.push(FilesTask{directory,
                                 {files_.begin() + static_cast<std::ptrdiff_t>(end - kBatch),
                                  files_.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
  check_files(*directory, std::span(files_).first(end));
}

void ScanWorker::check_files(const OpenDirectory& directory, std::span<const EntryIndex> files) {
  for (const EntryIndex entry : files) {
    if (shared_.stop.stop_requested()) return;
    check_listed(directory, entry);
  }
}

void ScanWorker::check_listed(const OpenDirectory& directory, EntryIndex entry) {
  const CName name(manifest_.name(entry));
  Observed observed;
  const ContentWanted wanted = content_wanted(manifest_, entry);
  const Observation seen = observer_.observe(directory.fd.get(), name.get(), wanted, observed);
  switch (seen.outcome) {
    case Outcome::stopped: return;
    case Outcome::vanished: return check_missing(join(directory.path, manifest_.name(entry)), entry);
    case Outcome::unverified: return report_unverified(join(directory.path, manifest_.name(entry)), entry, seen);
    case Outcome::seen: break;
  }
  if (observed.type == FileType::directory && manifest_.type(entry) == EntryType::directory) {
    shared_.queue.push(DirectoryTask{join(directory.path, manifest_.name(entry)), entry, manifest_.ignore(entry), 1});
    return;
  }
  account(entry);
  if (manifest_.type(entry) == EntryType::file && !wanted.any()) ++result_.unchecked;
  auto finding = compare(manifest_, entry, observed, shared_.plan.accounts);
  if (!finding) return;
  std::string path = join(directory.path, manifest_.name(entry));
  if (observed.type == FileType::directory) {
    count_below(path, *finding);
  } else {
    finding->below = manifest_.subtree_end(entry) - entry - 1;
  }
  report(std::move(*finding), std::move(path));
}

bool ScanWorker::may_vanish(const std::string& path, EntryIndex entry) const {
  if (manifest_.optional(entry)) return true;
  if (!manifest_.is_mutable(path)) return false;
  for (EntryIndex at = entry; at < manifest_.subtree_end(entry); ++at) {
    if (manifest_.blake3(at) != nullptr || manifest_.sha256(at) != nullptr) return false;
  }
  return true;
}

void ScanWorker::check_missing(const std::string& path, EntryIndex entry) {
  account(entry);
  if (!may_vanish(path, entry)) report(missing(manifest_, entry), path);
}

void ScanWorker::report(Finding finding, std::string path) {
  finding.path = std::move(path);
  result_.findings.push_back(std::move(finding));
}

void ScanWorker::report_unverified(std::string path, std::optional<EntryIndex> entry, const Observation& observation) {
  Unverified unverified{std::move(path), observation.reason, observation.error, 0};
  if (entry) {
    account(*entry);
    unverified.below = manifest_.subtree_end(*entry) - *entry - 1;
  }
  result_.unverified.push_back(std::move(unverified));
}

}  // namespace driftd::scanner
