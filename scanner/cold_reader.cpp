#include "scanner/cold_reader.hpp"

#include <algorithm>
#include <cerrno>

#include "scanner/c_name.hpp"
#include "scanner/safe_open.hpp"

namespace driftd::scanner {
namespace {

/// On their way from the disk at once: enough to keep it busy, little enough to stay in memory until it is hashed.
constexpr std::uint64_t kMostAsked = 16 * 1024 * 1024;

/// Held open: neighbours by inode are mostly of one directory, or of a few that were written together.
constexpr std::size_t kMostDirectories = 16;

Observation directory_failure(int error) {
  if (error == ENOENT) return {Outcome::vanished, {}, 0};  // with all that was in it
  // It was a directory when it was listed.
  const bool changed = error == ENOTDIR || error == ELOOP;
  return changed ? Observation{Outcome::unverified, UnverifiedReason::unstable, error} : Observer::failed(error);
}

bool is_out_of_descriptors(const Observation& seen) {
  return seen.outcome == Outcome::unverified && seen.reason == UnverifiedReason::limit;
}

}  // namespace

ColdReader::ColdReader(const manifests::Manifest& manifest, int root, Observer& observer, Judge& judge,
                       std::size_t window)
    : manifest_(manifest),
      root_(root),
      observer_(observer),
      judge_(judge),
      window_(window),
      directories_(std::min(window, kMostDirectories)) {}

void ColdReader::read(std::span<const ListedFile> files) {
  for (const ListedFile& file : files) begin(file.entry);
}

void ColdReader::begin(EntryIndex entry) {
  Pending& pending = pending_.emplace_back();
  pending.entry = entry;
  const int directory = directory_of(entry);
  const CName name(manifest_.name(entry));
  const ContentWanted wanted = content_wanted(manifest_, entry);
  const Observation seen = directory < 0
                               ? directory_failure(errno)
                               : observer_.begin(directory, name.get(), wanted, pending.observed, pending.file);
  if (seen.outcome == Outcome::not_cached) {
    pending.asked = std::min<std::uint64_t>(pending.observed.size, QuietReader::kChunk);
    asked_ += pending.asked;
    while (pending_.size() >= window_ || (asked_ > kMostAsked && !pending_.empty())) finish_first();
    return;
  }
  const Observed observed = std::move(pending.observed);
  pending_.pop_back();
  if (is_out_of_descriptors(seen) && !pending_.empty()) {
    finish();
    return begin(entry);
  }
  judge_.settle(entry, seen, observed);
}

void ColdReader::finish() {
  while (!pending_.empty()) finish_first();
}

void ColdReader::finish_first() {
  Pending& first = pending_.front();
  const EntryIndex entry = first.entry;
  Observation seen = observer_.finish(first.file, content_wanted(manifest_, entry), first.observed);
  Observed observed = std::move(first.observed);
  asked_ -= first.asked;
  pending_.pop_front();
  if (seen.is_unstable()) seen = observe_again(entry, observed);
  judge_.settle(entry, seen, observed);
}

Observation ColdReader::observe_again(EntryIndex entry, Observed& observed) {
  const int directory = directory_of(entry);
  if (directory < 0) return directory_failure(errno);
  const CName name(manifest_.name(entry));
  return observer_.observe_again(directory, name.get(), content_wanted(manifest_, entry), observed);
}

int ColdReader::directory_of(EntryIndex entry) {
  const EntryIndex parent = manifest_.parent(entry);
  CachedDirectory& slot = directories_[parent % directories_.size()];
  if (slot.entry != parent || !slot.fd) {
    slot.fd = open_directory_beneath(root_, manifest_.path(parent));
    slot.entry = parent;
  }
  return slot.fd.get();
}

}  // namespace driftd::scanner
