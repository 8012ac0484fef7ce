#include "scanner/scan.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iterator>
#include <map>
#include <thread>

#include "scanner/compare.hpp"
#include "scanner/deploy.hpp"
#include "scanner/observe.hpp"
#include "scanner/safe_open.hpp"
#include "scanner/scan_worker.hpp"

namespace driftd::scanner {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Manifest;
using manifests::Result;

using Workers = std::vector<std::unique_ptr<ScanWorker>>;

/// Runs a part of the scan, each worker on a thread of its own; a worker's exception reaches the caller.
void run_all(SharedScan& shared, Workers& workers, void (ScanWorker::*part)()) {
  std::vector<std::exception_ptr> failures(workers.size());
  const auto work = [&](std::size_t i) {
    enter_scan_thread(shared.root, shared.options.priority);
    try {
      (workers[i].get()->*part)();
    } catch (...) {
      failures[i] = std::current_exception();
      shared.queue.cancel();
    }
  };
  {
    std::vector<std::jthread> threads;
    try {
      for (std::size_t i = 0; i < workers.size(); ++i) threads.emplace_back(work, i);
    } catch (const std::exception&) {
      if (threads.empty()) throw;  // else those that there are do it all
    }
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

/// And drops what is of the same path: a listing may give a name twice that was renamed there and back meanwhile.
template <class Item>
void sort_by_path(std::vector<Item>& items) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.path < b.path; });
  const auto same = [](const Item& a, const Item& b) { return a.path == b.path; };
  items.erase(std::unique(items.begin(), items.end(), same), items.end());
}

/// In any order. The longer one grows and the other is given up, for there may be very many.
template <class Item>
void append(std::vector<Item>& all, std::vector<Item> part) {
  if (all.size() < part.size()) all.swap(part);
  all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
}

/// Of a directory below which `count` paths differ that are not told one by one. Who changes it has not changed those,
/// so it does not say which directory it is.
Finding finding_for_all_in(int root, const std::string& directory, std::uint64_t count) {
  Observed observed;
  observed.type = FileType::directory;
  const manifests::UniqueFd fd = open_directory_beneath(root, directory);
  struct statx status;  // NOLINT: filled by the kernel
  if (fd && ::statx(fd.get(), "", AT_EMPTY_PATH, ChangeStamp::kStatxMask, &status) == 0) {
    observed.mode = status.stx_mode & 07777U;
    observed.uid = status.stx_uid;
    observed.gid = status.stx_gid;
    observed.changed_at = status.stx_ctime.tv_sec;
    observed.changed_nanoseconds = status.stx_ctime.tv_nsec;
  }
  Finding finding = added(observed);
  finding.path = directory;
  finding.below = count;
  return finding;
}

void date_losses(int root, std::vector<Finding>& findings) {
  std::string_view directory;
  std::optional<ChangeStamp> stamp;
  for (Finding& finding : findings) {
    if (finding.kind != DriftKind::missing) continue;
    if (directory.empty() || parent_of(finding.path) != directory) stamp = parent_stamp(root, finding.path);
    directory = parent_of(finding.path);
    if (!stamp) continue;
    finding.file = stamp->file;
    finding.gone_by = stamp->changed;
  }
}

/// One result of all, each path once: a path that could not be verified after a finding was made keeps both.
ScanResult gather(Workers& workers, int root) {
  ScanResult all;
  std::map<std::string, std::uint64_t> folded;
  for (const auto& worker : workers) {
    for (const auto& [directory, count] : worker->folded()) folded[directory] += count;
    ScanResult part = worker->take_result();
    all.scope.add_all(part.scope);
    append(all.findings, std::move(part.findings));
    append(all.unverified, std::move(part.unverified));
    append(all.unread, std::move(part.unread));
    append(all.files, std::move(part.files));
    all.entries += part.entries;
    all.unchecked += part.unchecked;
    all.hashed_files += part.hashed_files;
    all.hashed_bytes += part.hashed_bytes;
  }
  for (const auto& [directory, count] : folded) all.findings.push_back(finding_for_all_in(root, directory, count));
  sort_by_path(all.findings);
  sort_by_path(all.unverified);
  std::sort(all.unread.begin(), all.unread.end());
  std::sort(all.files.begin(), all.files.end());
  all.files.shrink_to_fit();
  return all;
}

std::uint64_t entries_in(const manifests::Manifest& manifest, const Scope& scope) {
  if (scope.is_whole()) return manifest.size();
  std::uint64_t count = 0;
  for (const auto& path : scope.paths()) {
    if (const auto entry = manifest.find(path.str())) count += manifest.subtree_end(*entry) - *entry;
  }
  return count;
}

Error stopped() { return {ErrorCode::io, "the scan was stopped"}; }

}  // namespace

Result<ScanResult> scan_against(const Manifest& manifest, const ScanPlan& plan, const Scope& scope,
                                const ScanOptions& options, const std::stop_token& stop) {
  const manifests::UniqueFd root(::open(plan.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return manifests::system_error(plan.root, errno);
  const auto identity = TreeRoot::identify(root.get());
  if (!identity) return manifests::with_context(plan.root, identity.error());
  if (options.root && *identity != *options.root) {
    return Error{ErrorCode::io, plan.root + ": leads elsewhere than when it was last looked where it leads"};
  }
  const auto mount = mount_of(root.get());
  if (!mount) return manifests::system_error(plan.root, errno);

  StatCache* cache = &manifest == &plan.manifest->manifest() ? options.cache.get() : nullptr;
  const auto progress = options.progress ? options.progress : std::make_shared<ScanProgress>();
  SharedScan shared{plan,       manifest,
                    options,    cache,
                    root.get(), *mount,
                    progress,   scope.is_whole(),
                    stop,       scope.is_whole() ? nullptr : &scope,
                    {},         {},
                    {}};
  Workers workers;
  workers.push_back(std::make_unique<ScanWorker>(shared));
  if (scope.is_whole()) {
    workers.front()->seed_whole();
  } else {
    run_all(shared, workers, &ScanWorker::seed_asked);
  }
  if (!shared.queue.empty()) {
    while (workers.size() < options.threads) workers.push_back(std::make_unique<ScanWorker>(shared));
    run_all(shared, workers, &ScanWorker::walk_all);
    if (stop.stop_requested()) return stopped();
    for (const auto& worker : workers) shared.cold.add(std::move(worker->deferred()));
    shared.cold.sort();
    if (!shared.cold.empty()) run_all(shared, workers, &ScanWorker::read_cold);
  }
  if (stop.stop_requested()) return stopped();

  ScanResult result = gather(workers, root.get());
  if (const std::uint64_t expected = entries_in(shared.manifest, result.scope); result.entries != expected) {
    // A bug, and the one that matters: it must never look like a clean tree.
    return Error{ErrorCode::io, "internal error: " + std::to_string(result.entries) + " of " +
                                    std::to_string(expected) + " entries were judged; please report this"};
  }
  date_losses(root.get(), result.findings);
  return result;
}

Result<ScanResult> scan(const ScanPlan& plan, const Scope& scope, const ScanOptions& options,
                        const std::stop_token& stop) {
  auto result = scan_against(plan.manifest->manifest(), plan, scope, options, stop);
  if (!result || !plan.previous) return result;
  if (auto divided = set_pending_apart(plan, options, stop, *result); !divided) return divided.error();
  return result;
}

Result<ScanResult> scan_unwatched(const ScanPlan& plan, const Scope& scope, ScanOptions options,
                                  const std::stop_token& stop) {
  const auto before = TreeRoot::identify(plan.root);
  if (!before) return before.error();
  options.root = *before;
  auto result = scan(plan, scope, options, stop);
  if (const auto after = TreeRoot::identify(plan.root); !after || *after != *before) {
    return manifests::with_context(plan.root,
                                   Error{ErrorCode::io, "the root changed while it was scanned; run it again"});
  }
  return result;
}

Result<bool> is_exactly(const manifests::VerifiedManifest& release, const ScanPlan& plan, const Scope& differing,
                        const ScanOptions& options, const std::stop_token& stop) {
  const auto agrees = [&](const Scope& part) -> Result<bool> {
    const auto result = scan_against(release.manifest(), plan, part, options, stop);
    if (!result) return result.error();
    return result->findings.empty() && result->unverified.empty();
  };
  // A tree that is no release at all may differ at very many paths, of which a few tell.
  constexpr std::size_t kEnoughToTell = 20;
  if (differing.paths().size() > kEnoughToTell) {
    Scope some;
    const auto first = differing.paths().begin();
    std::for_each(first, std::next(first, kEnoughToTell), [&](const manifests::RelPath& path) { some.add(path); });
    if (auto agree = agrees(some); !agree || !*agree) return agree;
  }
  Scope scope = differing_paths(plan.manifest->manifest(), release.manifest());
  scope.add_all(differing);
  return agrees(scope);
}

}  // namespace driftd::scanner
