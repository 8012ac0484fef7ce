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
#include "scanner/look.hpp"
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

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string path_of(const manifests::Manifest& manifest, EntryIndex entry) {
  return entry == kRootEntry ? std::string(kRootPath) : manifest.path(entry);
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
      observer_(shared.mount, shared.options.throttle.get(), shared.cache, shared.stop, &place_,
                shared.plan.named_accounts),
      judge_(shared.manifest, shared.plan, shared.root, shared.cache, place_, shared.stop) {}

void ScanWorker::seed_whole() {
  judge_.result().scope.add_whole();
  shared_.queue.push(ListedDirectory{kRootEntry});
}

ScanWorker::Seat ScanWorker::find_seat(const RelPath& path) {
  OpenDirectory directory{.fd = open_directory_beneath(shared_.root, kRootPath), .path = {}, .entry = kRootEntry};
  int error = directory.fd ? 0 : errno;
  const std::string_view whole = path.str();
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(whole.find('/', begin), whole.size());
    const std::string name(whole.substr(begin, end - begin));
    const std::string_view at = whole.substr(0, end);
    const std::string_view above = begin == 0 ? kRootPath : whole.substr(0, begin - 1);
    const auto seat = [&](int why, bool is_nested) {
      directory.path = above;
      return Seat{std::move(directory), name, *RelPath::parse(at), why, is_nested};
    };
    const Exemptions::Directory* rules = shared_.plan.exemptions.in(above);
    auto exempt = rules != nullptr ? rules->judge(name) : Exemptions::Verdict::none;
    const auto child = directory.entry ? manifest_.find_child(*directory.entry, name) : std::nullopt;
    if (exempt == Exemptions::Verdict::nested) {
      const Look look = directory.fd ? look_at(directory.fd.get(), name.c_str()) : Look{error};
      if (!is_link(child, look.type)) return seat(0, true);
      exempt = Exemptions::Verdict::none;
    }
    const bool may_hold_more =
        child ? manifest_.type(*child) == EntryType::directory
              : directory.free || exempt == Exemptions::Verdict::passage || manifest_.is_mutable(at);
    manifests::UniqueFd below;
    if (end < whole.size() && may_hold_more && error == 0) {
      below = open_directory_beneath(directory.fd.get(), name);
      if (!below && !changed_meanwhile(errno)) error = errno;
    }
    // Here the path ends, or whatever is wrong starts above its end.
    if (!below) return seat(error, false);
    const bool is_free = directory.free || (child && manifest_.ignore(*child));
    directory = OpenDirectory{.fd = std::move(below), .path = {}, .entry = child, .free = is_free};
    begin = end + 1;
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
      judge_.leave_out(*entry);
    }
  }
}

void ScanWorker::visit_alone(const Seat& seat) {
  const OpenDirectory& directory = seat.directory;
  exempt_ = shared_.plan.exemptions.in(directory.path);
  const auto child = directory.entry ? manifest_.find_child(*directory.entry, seat.name) : std::nullopt;
  children_ = child ? std::span(&*child, 1) : std::span<const EntryIndex>();
  seen_.assign(children_.size(), false);
  found_.clear();
  all_mutable_.reset();
  files_.clear();
  const Look look = directory.fd ? look_at(directory.fd.get(), seat.name.c_str()) : Look{seat.error};
  if (look.error == 0) {
    visit(directory, {seat.name, look.inode, look.type});
    check_files(directory.fd.get(), files_);
    hand_over_unlisted(directory);
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
    if (const auto* listed = std::get_if<ListedDirectory>(&*task)) {
      walk(*listed);
    } else if (auto* unlisted = std::get_if<UnlistedDirectories>(&*task)) {
      walk_one(std::move(*unlisted));
    } else {
      check_files(std::get<FilesTask>(*task));
    }
    tell_progress();
  }
}

void ScanWorker::read_cold() {
  // What is asked for ahead escapes the throttle.
  const auto& throttle = shared_.options.throttle;
  const std::size_t window = throttle && throttle->is_limiting() ? 1 : window_for(shared_.options.threads);
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

void ScanWorker::walk(const ListedDirectory& task) {
  const bool is_root = task.entry == kRootEntry;
  walk({.fd = {},
        .path = path_of(manifest_, task.entry),
        .entry = task.entry,
        .free = !is_root && manifest_.ignore(task.entry)},
       task.attempt);
}

void ScanWorker::walk_one(UnlistedDirectories task) {
  auto branch = std::make_shared<const Branch>(task.above, task.names.take_last());
  OpenDirectory directory{.fd = {}, .path = branch->path(), .entry = {}, .free = task.free, .branch = branch};
  const unsigned attempt = task.attempt;
  if (!task.names.empty()) shared_.queue.push(std::move(task));
  walk(std::move(directory), attempt);
}

void ScanWorker::walk(OpenDirectory directory, unsigned attempt) {
  directory.opened_after = FileTime::now();
  directory.fd = open_directory_beneath(shared_.root, directory.path);
  if (!directory.fd) return directory_failed(directory, attempt, errno);
  if (directory.entry) {
    Observed observed;
    const Observation seen = observer_.observe_directory(directory.fd.get(), observed, &directory.stamp.emplace());
    if (seen.outcome != Outcome::seen) return judge_.unverified(*directory.entry, seen);
    judge_.seen(*directory.entry, observed);
  }
  list(directory);
}

void ScanWorker::directory_failed(const OpenDirectory& gone, unsigned attempt, int error) {
  const auto unverified = [&](const Observation& observation) {
    gone.entry ? judge_.unverified(*gone.entry, observation) : judge_.unverified(gone.path, observation);
  };
  if (!changed_meanwhile(error) || gone.path == kRootPath) return unverified(Observer::failed(error));
  if (attempt + 1 >= kDirectoryAttempts) {
    return unverified({Outcome::unverified, UnverifiedReason::unstable, error});
  }
  // It was a directory a moment ago. Look again at what stands there now.
  const std::string above(parent_of(gone.path));
  const OpenDirectory parent{
      .fd = open_directory_beneath(shared_.root, above), .path = above, .entry = {}, .free = gone.free};
  const int parent_error = parent.fd ? 0 : errno;
  const CName name(name_of(gone.path));
  const Look look =
      parent.fd ? look_at(parent.fd.get(), name.get()) : Look{changed_meanwhile(parent_error) ? ENOENT : parent_error};
  if (look.error == 0 && look.type == DT_DIR) {
    if (gone.entry) return shared_.queue.push(ListedDirectory{*gone.entry, attempt + 1});
    UnlistedDirectories again{gone.branch->above(), {}, gone.free, attempt + 1};
    again.names.add(gone.branch->name());
    shared_.queue.push(std::move(again));
  } else if (look.error != 0 && look.error != ENOENT) {
    unverified(Observer::failed(look.error));
  } else if (gone.entry) {
    look.error == 0 ? void(check_listed(parent.fd.get(), *gone.entry, look.type)) : judge_.missing(*gone.entry);
  } else if (look.error == 0) {
    (void)visit_unlisted(parent, {name_of(gone.path), look.inode, look.type});
    hand_over_unlisted(parent);
  }
}

void ScanWorker::check_found_files(const OpenDirectory& directory) {
  const auto hand_over = [&](auto begin, auto end) { shared_.queue.push(FilesTask{*directory.entry, {begin, end}}); };
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
  const manifests::UniqueFd directory = open_directory_beneath(shared_.root, path_of(manifest_, task.directory));
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
  // Nor is what could not be verified asked, where a mount may be that does not answer.
  if (shared_.cache->remembered(entry) == 0) return false;
  const CName name(manifest_.name(entry));
  return shared_.cache->agrees(entry, observer_.fingerprint(directory, name.get()));
}

bool ScanWorker::may_read(EntryIndex entry) {
  const auto most = shared_.options.most_content;
  if (!most) return true;
  const auto size = manifest_.size_of(entry);
  if (!size) return false;
  std::uint64_t granted = shared_.content.load(std::memory_order_relaxed);
  while (granted + *size <= *most) {
    if (shared_.content.compare_exchange_weak(granted, granted + *size, std::memory_order_relaxed)) return true;
  }
  return false;
}

ScanWorker::From ScanWorker::check_listed(int directory, EntryIndex entry, unsigned char type) {
  const CName name(manifest_.name(entry));
  ContentWanted wanted = content_wanted(manifest_, entry);
  if (shared_.options.quick && shared_.cache != nullptr) wanted.known = shared_.cache->remembered(entry);
  Observed observed;
  OpenFile file;
  const bool is_file = type == DT_REG || type == DT_UNKNOWN;
  const bool is_left = wanted.any() && !may_read(entry);
  ContentWanted unopened = wanted;
  unopened.blake3 = unopened.sha256 = false;
  Observation seen = observer_.begin(directory, name.get(), is_file && !is_left ? wanted : unopened, observed, file);
  const bool stands_there = seen.outcome == Outcome::seen && observed.type == FileType::file;
  if (stands_there && is_left && wanted.size.value_or(observed.size) == observed.size) {
    judge_.result().unread.push_back(manifest_.path(entry));
    judge_.settle(entry, kUnstable, observed);
    return From::memory;
  }
  if (stands_there && !is_file && !is_left) {  // by now
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
    shared_.queue.push(ListedDirectory{entry, 1});
  } else {
    judge_.settle(entry, seen, observed);
  }
  return from;
}

}  // namespace driftd::scanner
