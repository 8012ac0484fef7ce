#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "scanner/c_name.hpp"
#include "scanner/compare.hpp"
#include "scanner/look.hpp"
#include "scanner/safe_open.hpp"
#include "scanner/scan_worker.hpp"

/// What a ScanWorker does in one directory: its names.
namespace driftd::scanner {
namespace {

using manifests::EntryIndex;
using manifests::EntryType;

/// How often a directory whose names do not hold still is listed again.
constexpr unsigned kMoreListings = 5;

}  // namespace

void ScanWorker::list(OpenDirectory& directory) {
  exempt_ = shared_.plan.exemptions.in(directory.path);
  children_ = directory.entry ? manifest_.children(*directory.entry) : std::span<const EntryIndex>();
  seen_.assign(children_.size(), false);
  found_.clear();
  all_mutable_.reset();
  files_.clear();
  const Observation names = list_names(directory);
  // Some names are not known, so nothing can be said of the directory as a whole; what was seen stays judged.
  if (names.outcome != Outcome::seen) judge_.unverified(directory.path, names);
  for (std::size_t i = 0; i < children_.size() && !shared_.stop.stop_requested(); ++i) {
    if (!seen_[i]) visit_unseen(directory, children_[i]);
  }
  hand_over_unlisted(directory);
  check_found_files(directory);
}

Observation ScanWorker::list_names(OpenDirectory& directory) {
  const bool wants_all = reports_additions(directory);
  if (wants_all && !directory.stamp) directory.stamp = ChangeStamp::of(directory.fd.get());
  if (wants_all && !directory.stamp) return Observer::failed(errno);
  for (unsigned attempt = 1;; ++attempt) {
    if (const auto listed = list_once(directory, wants_all, attempt > kMoreListings)) return *listed;
  }
}

std::optional<Observation> ScanWorker::list_once(OpenDirectory& directory, bool wants_all, bool is_last) {
  const int error = listing_.for_each(directory.fd.get(), shared_.stop, [&](const DirectoryListing::Name& name) {
    ScanProgress::Place::count(place_.steps);
    visit(directory, name);
  });
  if (shared_.stop.stop_requested()) return Observation{};
  if (error == ENOENT) {
    // The directory was removed, so no name is left in it; or so its file system says.
    found_.put_in_order();
    const int lost = open_again(directory);
    if (lost == ENOENT) return Observation{};
    if (is_last || (lost != 0 && !changed_meanwhile(lost))) return Observer::failed(error);
    return std::nullopt;
  }
  if (error != 0) return Observer::failed(error);
  if (!wants_all) return Observation{};
  // A name may slip past a listing if it is renamed meanwhile, and so may all if the directory was exchanged after it
  // was opened. Neither has happened where the last change came before that. Where it came later, or in the same tick
  // of the clock, what the path leads to by now is listed as well.
  const auto now = ChangeStamp::of(directory.fd.get());
  if (!now) return Observer::failed(errno);
  const bool has_held = *now == *directory.stamp;
  if (has_held && now->told_apart(directory.opened_after)) return Observation{};
  if (is_all_mutable(directory)) return Observation{};
  found_.put_in_order();
  if (has_held) now->wait_for_next_tick(shared_.stop);
  const int lost = open_again(directory);
  if (lost != 0 && !changed_meanwhile(lost)) return Observer::failed(lost);
  if (!is_last) return std::nullopt;
  return lost == ENOENT ? Observation{} : kUnstable;  // if it is gone, so are its names
}

bool ScanWorker::reports_additions(const OpenDirectory& directory) const {
  return !directory.free && shared_.plan.report_additions;
}

bool ScanWorker::is_all_mutable(const OpenDirectory& directory) {
  // A NUL is in no name and in no rule, so only a rule for whatever name there may be covers it.
  if (!all_mutable_) all_mutable_ = manifest_.is_mutable(join(directory.path, std::string_view("\0", 1)));
  return *all_mutable_;
}

int ScanWorker::open_again(OpenDirectory& directory) const {
  const FileTime before = FileTime::now();
  manifests::UniqueFd fd = open_directory_beneath(shared_.root, directory.path);
  if (!fd) return errno;
  const auto stamp = ChangeStamp::of(fd.get());
  if (!stamp) return errno;
  directory.fd = std::move(fd);
  directory.opened_after = before;
  directory.stamp = stamp;
  return 0;
}

void ScanWorker::visit_unseen(const OpenDirectory& directory, EntryIndex entry) {
  const bool is_nested = exempt_ != nullptr && exempt_->judge(manifest_.name(entry)) == Exemptions::Verdict::nested;
  if (is_nested && !is_link(entry, DT_UNKNOWN)) return judge_.leave_out(entry);
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
    if (look.error == ENOENT || found_.contains(name.text)) return;
    found_.add(name.text);
    return judge_.unverified(join(directory.path, name.text), Observer::failed(look.error));
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
    exempt == Exemptions::Verdict::nested ? judge_.leave_out(*at)
                                          : visit_listed(directory, {name.inode, *at}, name.type);
    return;
  }
  if (exempt == Exemptions::Verdict::nested || found_.contains(name.text)) return;
  bool is_settled = true;
  if (exempt == Exemptions::Verdict::passage && name.type == DT_DIR) {
    walk_later(directory, name.text);
  } else if (exempt == Exemptions::Verdict::manifest) {
    is_settled = visit_own_manifest(directory, name);
  } else {
    is_settled = visit_unlisted(directory, name);
  }
  // What has another name by now is settled by that one.
  if (is_settled && reports_additions(directory) && !is_all_mutable(directory)) found_.add(name.text);
}

bool ScanWorker::is_link(std::optional<EntryIndex> entry, unsigned char type) const {
  return type == DT_LNK || (entry && manifest_.type(*entry) == EntryType::symlink);
}

void ScanWorker::visit_listed(const OpenDirectory& directory, ListedFile file, unsigned char type) {
  const EntryType expected = manifest_.type(file.entry);
  if (expected == EntryType::file && type == DT_REG) {
    files_.push_back(file);
  } else if (expected == EntryType::directory && type == DT_DIR) {
    shared_.queue.push(ListedDirectory{file.entry});
  } else {
    check_listed(directory.fd.get(), file.entry, type);
  }
}

bool ScanWorker::visit_unlisted(const OpenDirectory& directory, const DirectoryListing::Name& name) {
  std::string path = join(directory.path, name.text);
  const bool is_free = directory.free || manifest_.is_mutable(path);
  if (!is_free && !shared_.plan.report_additions) return true;
  if (is_free && name.type == DT_DIR) {
    judge_.count_unchecked();
    walk_later(directory, name.text);
    return true;
  }
  const CName text(name.text);
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), text.get(), {}, observed);
  if (seen.outcome == Outcome::vanished) return false;
  if (is_free) judge_.count_unchecked();
  if (seen.outcome != Outcome::seen) {
    judge_.unverified(std::move(path), seen);
  } else {
    is_free ? judge_.unchecked(std::move(path), observed) : judge_.added(std::move(path), observed);
  }
  return true;
}

void ScanWorker::walk_later(const OpenDirectory& directory, std::string_view name) {
  unlisted_.add(name);
  if (unlisted_.is_full()) hand_over_unlisted(directory);
}

void ScanWorker::hand_over_unlisted(const OpenDirectory& directory) {
  if (unlisted_.empty()) return;
  auto above = directory.branch ? directory.branch : std::make_shared<const Branch>(nullptr, directory.path);
  shared_.queue.push(UnlistedDirectories{std::move(above), std::exchange(unlisted_, {}), directory.free});
}

bool ScanWorker::visit_own_manifest(const OpenDirectory& directory, const DirectoryListing::Name& name) {
  const CName text(name.text);
  Observed observed;
  const Observation seen = observer_.observe(directory.fd.get(), text.get(), {}, observed);
  if (seen.outcome == Outcome::unverified) judge_.unverified(join(directory.path, name.text), seen);
  if (seen.outcome != Outcome::seen) return seen.outcome != Outcome::vanished;
  return can_be_own_manifest(observed) || visit_unlisted(directory, name);
}

}  // namespace driftd::scanner
