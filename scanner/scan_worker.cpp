#include "scanner/scan_worker.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "scanner/c_name.hpp"
#include "scanner/cold_reader.hpp"
#include "scanner/compare.hpp"
#include "scanner/safe_open.hpp"
#include "scanner/stat_cache.hpp"

namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::kRootEntry;
using manifests::RelPath;

constexpr std::string_view kRootPath = ".";
/// Enough files that handing them to another thread is worth a lock, few enough to share a large directory evenly.
constexpr std::size_t kBatch = 256;
/// A file of this size is worth a thread of its own.
constexpr std::uint64_t kLargeFile = 16 * 1024 * 1024;
/// How often a directory may turn into something else and back before it counts as unstable.
constexpr unsigned kDirectoryAttempts = 3;
/// Files that a thread asks the disk for at once; more gains nothing.
constexpr std::size_t kWidestWindow = 256;
/// What a thread holds open beside them.
constexpr std::size_t kOtherDescriptors = 24;

constexpr Observation kUnstable{Outcome::unverified, UnverifiedReason::unstable, 0};

/// The errno of opening what was a directory a moment ago and is none any more, or no longer there.
bool changed_meanwhile(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? kRootPath : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

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
  std::uint64_t inode = 0;
};

Look look_at(int directory, const char* name) {
  struct stat status {};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return {errno, DT_UNKNOWN, 0};
  return {0, directory_entry_type(file_type(status.st_mode)), status.st_ino};
}

/// How many files one of `threads` threads may hold open.
std::size_t window_for(unsigned threads) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const std::size_t share = limit.rlim_cur / (threads + 1);
  return std::clamp<std::size_t>(share > kOtherDescriptors ? share - kOtherDescriptors : 1, 1, kWidestWindow);
}

}  // namespace

ScanWorker::ScanWorker(SharedScan& shared)
    : shared_(shared),
      manifest_(shared.manifest),
      place_(shared.progress->add_place()),
      observer_(shared.mount, shared.options.throttle.get(), shared.cache, shared.stop, &place_),
      judge_(shared.manifest, shared.plan, shared.root, shared.cache, place_, shared.stop) {}

void ScanWorker::seed_whole() {
  judge_.result().scope.add_whole();
  shared_.queue.push(DirectoryTask{std::string(kRootPath), kRootEntry});
}

ScanWorker::Seat ScanWorker::find_seat(const RelPath& path) {
  OpenDirectory directory{open_directory_beneath(shared_.root, kRootPath), std::string(kRootPath), kRootEntry};
  int error = directory.fd ? 0 : errno;
  std::string_view rest = path.str();
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    const std::string at = join(directory.path, name);
    const Exemptions::Directory* rules = shared_.plan.exemptions.in(directory.path);
    auto exempt = rules != nullptr ? rules->judge(name) : Exemptions::Verdict::none;
    const auto child = directory.entry ? manifest_.find_child(*directory.entry, name) : std::nullopt;
    if (exempt == Exemptions::Verdict::nested) {
      const Look look = directory.fd ? look_at(directory.fd.get(), name.c_str()) : Look{error};
      if (!is_link(child, look.type)) return Seat{std::move(directory), name, *RelPath::parse(at), 0, true};
      exempt = Exemptions::Verdict::none;
    }
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
    if (!below) return Seat{std::move(directory), name, *RelPath::parse(at), error, false};
    directory = OpenDirectory{std::move(below), at, child, directory.free || (child && manifest_.ignore(*child))};
    rest.remove_prefix(slash + 1);
  }
}

void ScanWorker::seed_asked() {
  // Two rounds, so that two paths below one missing directory become one.
  for (const RelPath& path : shared_.asked->paths()) {
    judge_.result().scope.add(find_seat(path).path);
  }
  for (const RelPath& path : judge_.result().scope.paths()) {
    const Seat seat = find_seat(path);
    const auto entry = manifest_.find(path.str());
    if (seat.path != path) {
      const Observation why = seat.error != 0 ? Observer::failed(seat.error) : kUnstable;
      entry ? judge_.unverified(*entry, why) : judge_.unverified(path.str(), why);
    } else if (!seat.is_nested) {
      visit_alone(seat);
    } else if (entry) {
      judge_.skip(*entry);
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
    visit(directory, {seat.name, look.inode, look.type});
    check_files(directory.fd.get(), files_);
  } else if (child) {
    look.error == ENOENT ? judge_.missing(*child) : judge_.unverified(*child, Observer::failed(look.error));
  } else if (look.error != ENOENT) {
    judge_.unverified(seat.path.str(), Observer::failed(look.error));
  }
}

void ScanWorker::walk_all() {
  bool busy = false;
  while (auto task = shared_.queue.next(busy)) {
    busy = true;
    if (shared_.stop.stop_requested()) return shared_.queue.cancel();
    if (const auto* directory = std::get_if<DirectoryTask>(&*task)) {
      walk(*directory);
    } else {
      check_files(std::get<FilesTask>(*task));
    }
    tell_progress();
  }
}

void ScanWorker::read_cold() {
  // What is asked for ahead escapes the throttle.
  const std::size_t window = shared_.options.throttle ? 1 : window_for(shared_.options.threads);
  ColdReader reader(manifest_, shared_.root, observer_, judge_, window);
  for (auto files = shared_.cold.next(); !files.empty(); files = shared_.cold.next()) {
    if (shared_.stop.stop_requested()) return;
    reader.read(files);
    tell_progress();
  }
  reader.finish();
  tell_progress();
}

void ScanWorker::tell_progress() { place_.entries.store(judge_.result().entries, std::memory_order_relaxed); }

ScanResult ScanWorker::take_result() {
  ScanResult result = std::move(judge_.result());
  result.hashed_files = observer_.counters().hashed_files;
  result.hashed_bytes = observer_.counters().hashed_bytes;
  return result;
}

void ScanWorker::walk(const DirectoryTask& task) {
  const OpenDirectory directory{open_directory_beneath(shared_.root, task.path), task.path, task.entry, task.free};
  if (!directory.fd) return directory_failed(task, errno);
  if (task.entry) {
    Observed observed;
    const Observation seen = observer_.observe_directory(directory.fd.get(), observed);
    if (seen.outcome != Outcome::seen) return judge_.unverified(*task.entry, seen);
    judge_.seen(*task.entry, observed);
  }
  list(directory);
}

void ScanWorker::directory_failed(const DirectoryTask& task, int error) {
  const auto unverified = [&](const Observation& observation) {
    task.entry ? judge_.unverified(*task.entry, observation) : judge_.unverified(task.path, observation);
  };
  if (!changed_meanwhile(error) || task.path == kRootPath) return unverified(Observer::failed(error));
  if (task.attempt + 1 >= kDirectoryAttempts) {
    return unverified({Outcome::unverified, UnverifiedReason::unstable, error});
  }
  // It was a directory a moment ago. Look again at what stands there now.
  const std::string above(parent_of(task.path));
  const OpenDirectory parent{open_directory_beneath(shared_.root, above), above, std::nullopt, task.free};
  const int parent_error = parent.fd ? 0 : errno;
  const CName name(name_of(task.path));
  const Look look =
      parent.fd ? look_at(parent.fd.get(), name.get()) : Look{changed_meanwhile(parent_error) ? ENOENT : parent_error};
  if (look.error == 0 && look.type == DT_DIR) {
    shared_.queue.push(DirectoryTask{task.path, task.entry, task.free, task.attempt + 1});
  } else if (look.error != 0 && look.error != ENOENT) {
    unverified(Observer::failed(look.error));
  } else if (task.entry) {
    look.error == 0 ? void(check_listed(parent.fd.get(), *task.entry, look.type)) : judge_.missing(*task.entry);
  } else if (look.error == 0) {
    visit_unlisted(parent, {name_of(task.path), look.inode, look.type});
  }
}

void ScanWorker::list(const OpenDirectory& directory) {
  exempt_ = shared_.plan.exemptions.in(directory.path);
  children_ = directory.entry ? manifest_.children(*directory.entry) : std::span<const EntryIndex>();
  seen_.assign(children_.size(), false);
  files_.clear();
  const int error = listing_.for_each(directory.fd.get(), [&](const DirectoryListing::Name& name) {
    ScanProgress::Place::count(place_.steps);
    visit(directory, name);
  });
  // ENOENT: the directory was removed meanwhile, so no name is left in it.
  if (error != 0 && error != ENOENT) {
    // Some names are not known, so nothing can be said of the directory as a whole; what was seen stays judged.
    judge_.unverified(directory.path, Observer::failed(error));
  }
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (!seen_[i]) visit_unseen(directory, children_[i]);
  }
  check_found_files(directory);
}

void ScanWorker::visit_unseen(const OpenDirectory& directory, EntryIndex entry) {
  const bool is_nested = exempt_ != nullptr && exempt_->judge(manifest_.name(entry)) == Exemptions::Verdict::nested;
  if (is_nested && !is_link(entry, DT_UNKNOWN)) return judge_.skip(entry);
  // A rename during the listing can hide a name that is there all the time, so a direct look decides.
  const CName name(manifest_.name(entry));
  const Look look = look_at(directory.fd.get(), name.get());
  if (look.error == 0) {
    visit(directory, {manifest_.name(entry), look.inode, look.type});
  } else if (look.error == ENOENT) {
    judge_.missing(entry);
  } else {
    judge_.unverified(entry, Observer::failed(look.error));
  }
}

void ScanWorker::visit(const OpenDirectory& directory, const DirectoryListing::Name& name) {
  if (name.type == DT_UNKNOWN) {  // some file systems leave the type out
    const CName text(name.text);
    const Look look = look_at(directory.fd.get(), text.get());
    if (look.error == 0) return visit(directory, {name.text, look.inode, look.type});
    if (look.error != ENOENT) judge_.unverified(join(directory.path, name.text), Observer::failed(look.error));
    return;
  }
  const auto at =
      std::lower_bound(children_.begin(), children_.end(), name.text,
                       [&](EntryIndex child, std::string_view value) { return manifest_.name(child) < value; });
  const bool listed = at != children_.end() && manifest_.name(*at) == name.text;
  auto exempt = exempt_ != nullptr ? exempt_->judge(name.text) : Exemptions::Verdict::none;
  if (exempt == Exemptions::Verdict::nested && is_link(listed ? std::optional(*at) : std::nullopt, name.type)) {
    exempt = Exemptions::Verdict::none;
  }
  if (listed) {
    const auto position = static_cast<std::size_t>(at - children_.begin());
    if (seen_[position]) return;
    seen_[position] = true;
    exempt == Exemptions::Verdict::nested ? judge_.skip(*at) : visit_listed(directory, {name.inode, *at}, name.type);
  } else if (exempt == Exemptions::Verdict::passage && name.type == DT_DIR) {
    shared_.queue.push(DirectoryTask{join(directory.path, name.text), std::nullopt, directory.free});
  } else if (exempt == Exemptions::Verdict::manifest) {
    visit_own_manifest(directory, name);
  } else if (exempt != Exemptions::Verdict::nested) {
    visit_unlisted(directory, name);
  }
}

bool ScanWorker::is_link(std::optional<EntryIndex> entry, unsigned char type) const {
  return type == DT_LNK || (entry && manifest_.type(*entry) == EntryType::symlink);
}

void ScanWorker::visit_listed(const OpenDirectory& directory, ListedFile file, unsigned char type) {
  const EntryType expected = manifest_.type(file.entry);
  if (expected == EntryType::file && type == DT_REG) {
    files_.push_back(file);
  } else if (expected == EntryType::directory && type == DT_DIR) {
    shared_.queue.push(
        DirectoryTask{join(directory.path, manifest_.name(file.entry)), file.entry, manifest_.ignore(file.entry)});
  } else {
    check_listed(directory.fd.get(), file.entry, type);
  }
}

void ScanWorker::visit_unlisted(const OpenDirectory& directory, const DirectoryListing::Name& name) {
  std::string path = join(directory.path, name.text);
  const bool is_free = directory.free || manifest_.is_mutable(path);
  if (!is_free && !shared_.plan.report_additions) return;
  if (is_free) judge_.count_unchecked();
  if (is_free && name.type == DT_DIR) {
    return shared_.queue.push(DirectoryTask{std::move(path), std::nullopt, directory.free});
  }
  const CName text(name.text);
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), text.get(), {}, observed);
  if (seen.outcome == Outcome::vanished) return;
  if (seen.outcome != Outcome::seen) return judge_.unverified(std::move(path), seen);
  is_free ? judge_.unchecked(std::move(path), observed) : judge_.added(std::move(path), observed);
}

void ScanWorker::visit_own_manifest(const OpenDirectory& directory, const DirectoryListing::Name& name) {
  const CName text(name.text);
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), text.get(), {}, observed);
  if (seen.outcome == Outcome::unverified) return judge_.unverified(join(directory.path, name.text), seen);
  if (seen.outcome == Outcome::seen && !can_be_own_manifest(observed)) visit_unlisted(directory, name);
}

void ScanWorker::check_found_files(const OpenDirectory& directory) {
  const auto hand_over = [&](auto begin, auto end) { shared_.queue.push(FilesTask{directory.path, {begin, end}}); };
  const auto is_large = [&](const ListedFile& file) { return manifest_.size_of(file.entry).value_or(0) >= kLargeFile; };
  if (shared_.options.threads > 1) {
    const auto large = std::partition(files_.begin(), files_.end(), std::not_fn(is_large));
    for (auto at = large; at != files_.end(); ++at) hand_over(at, at + 1);
    files_.erase(large, files_.end());
    for (; files_.size() > kBatch; files_.resize(files_.size() - kBatch)) {
      hand_over(files_.end() - static_cast<std::ptrdiff_t>(kBatch), files_.end());
    }
  }
  check_files(directory.fd.get(), files_);
}

void ScanWorker::check_files(const FilesTask& task) {
  const manifests::UniqueFd directory = open_directory_beneath(shared_.root, task.directory);
  if (directory) return check_files(directory.get(), task.files);
  const int error = errno;
  for (const ListedFile& file : task.files) {
    if (error == ENOENT) {
      judge_.missing(file.entry);
    } else {
      judge_.unverified(file.entry, changed_meanwhile(error) ? kUnstable : Observer::failed(error));
    }
  }
}

void ScanWorker::check_files(int directory, std::span<const ListedFile> files) {
  bool is_cold = shared_.defers && coldness_.presumed();
  for (const ListedFile& file : files) {
    if (shared_.stop.stop_requested()) return;
    if (is_known(directory, file.entry)) {
      judge_.skip(file.entry);
    } else if (is_cold) {
      deferred_.push_back(file);
    } else {
      is_cold = check_listed(directory, file.entry, DT_REG) == From::disk && shared_.defers;
      coldness_.seen(is_cold);
    }
  }
}

bool ScanWorker::is_known(int directory, EntryIndex entry) {
  if (!shared_.options.quick || shared_.cache == nullptr || !content_wanted(manifest_, entry).any()) return false;
  const CName name(manifest_.name(entry));
  return shared_.cache->agrees(entry, observer_.fingerprint(directory, name.get()));
}

ScanWorker::From ScanWorker::check_listed(int directory, EntryIndex entry, unsigned char type) {
  const CName name(manifest_.name(entry));
  ContentWanted wanted = content_wanted(manifest_, entry);
  if (shared_.options.quick && shared_.cache != nullptr) wanted.known = shared_.cache->remembered(entry);
  Observed observed;
  OpenFile file;
  const bool is_file = type == DT_REG || type == DT_UNKNOWN;
  ContentWanted unopened = wanted;
  unopened.blake3 = unopened.sha256 = false;
  Observation seen = observer_.begin(directory, name.get(), is_file ? wanted : unopened, observed, file);
  if (!is_file && seen.outcome == Outcome::seen && observed.type == FileType::file) {  // by now
    seen = observer_.begin(directory, name.get(), wanted, observed, file);
  }
  const From from = seen.outcome == Outcome::not_cached ? From::disk : From::memory;
  if (from == From::disk) {
    seen = observer_.finish(file, wanted, observed);
    if (seen.is_unstable()) seen = observer_.observe_again(directory, name.get(), wanted, observed);
  }
  const bool has_become_directory = seen.outcome == Outcome::seen && observed.type == FileType::directory &&
                                    manifest_.type(entry) == EntryType::directory;
  if (has_become_directory) {
    shared_.queue.push(DirectoryTask{manifest_.path(entry), entry, manifest_.ignore(entry), 1});
  } else {
    judge_.settle(entry, seen, observed);
  }
  return from;
}

}  // namespace driftd::scanner
