#include "scanner/judge.hpp"

#include <dirent.h>

#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/rel_path.hpp"
#include "scanner/branch.hpp"
#include "scanner/compare.hpp"
#include "scanner/directory_listing.hpp"
#include "scanner/safe_open.hpp"

namespace driftd::scanner {

using manifests::EntryIndex;
using manifests::EntryType;
using manifests::kRootEntry;

namespace {

/// The topmost directory above `path` whose own path is longer than any that a manifest lists, or `path` itself.
std::string_view told_at(std::string_view path) { return path.substr(0, path.find('/', manifests::kMaxPath + 1)); }

}  // namespace

ContentWanted content_wanted(const manifests::Manifest& manifest, EntryIndex entry) {
  ContentWanted wanted;
  wanted.blake3 = manifest.blake3(entry) != nullptr;
  wanted.sha256 = !wanted.blake3 && manifest.sha256(entry) != nullptr;
  wanted.size = manifest.size_of(entry);
  wanted.number = true;
  return wanted;
}

Judge::Judge(const manifests::Manifest& manifest, const ScanPlan& plan, int root, StatCache* cache,
             ScanProgress::Place& place, std::stop_token stop)
    : manifest_(manifest),
      plan_(plan),
      root_(root),
      cache_(cache),
      begun_(cache != nullptr ? cache->moment() : 0),
      place_(place),
      stop_(std::move(stop)) {}

void Judge::forget_all(EntryIndex entry) {
  if (cache_ == nullptr) return;
  for (const EntryIndex end = manifest_.subtree_end(entry); entry < end; ++entry) cache_->forget(entry);
}

void Judge::settle(EntryIndex entry, const Observation& observation, const Observed& observed) {
  if (observed.number != 0) result_.files.push_back({observed.number, entry});
  switch (observation.outcome) {
    case Outcome::seen: return seen(entry, observed);
    case Outcome::vanished: return missing(entry);
    case Outcome::unverified: return unverified(entry, observation);
    case Outcome::not_cached:
    case Outcome::stopped: return;  // the scan fails as a whole, by the count of what was judged if by nothing else
  }
}

void Judge::seen(EntryIndex entry, const Observed& observed) {
  const EntryType type = manifest_.type(entry);
  const bool is_directory = type == EntryType::directory && observed.type == FileType::directory;
  is_directory ? void(++result_.entries) : skip(entry);
  if (type == EntryType::file && !content_wanted(manifest_, entry).any()) ++result_.unchecked;
  auto finding = compare(manifest_, entry, observed, plan_.accounts);
  if (!finding) {
    if (cache_ != nullptr) cache_->remember(entry, observed.fingerprint, begun_);
    return;
  }
  if (!is_directory) forget_all(entry);
  if (is_directory && cache_ != nullptr) cache_->forget(entry);
  finding->path = path_of(entry);
  if (!is_directory) {
    observed.type == FileType::directory ? count_below(*finding)
                                         : void(finding->below = manifest_.subtree_end(entry) - entry - 1);
  }
  result_.findings.push_back(std::move(*finding));
}

void Judge::missing(EntryIndex entry) {
  skip(entry);
  forget_all(entry);
  if (!may_vanish(entry)) report(scanner::missing(manifest_, entry), path_of(entry));
}

void Judge::unverified(EntryIndex entry, const Observation& observation) {
  skip(entry);
  forget_all(entry);
  result_.unverified.push_back(
      {path_of(entry), observation.reason, observation.error, manifest_.subtree_end(entry) - entry - 1});
}

void Judge::unverified(std::string path, const Observation& observation) {
  if (const auto at = told_at(path); at.size() < path.size()) {
    path.resize(at.size());
    if (!folded_unverified_.insert(path).second) return;
  }
  result_.unverified.push_back({std::move(path), observation.reason, observation.error, 0});
}

void Judge::leave_out(EntryIndex entry) {
  skip(entry);
  // Nobody learns meanwhile where else such a file has a name.
  forget_all(entry);
}

bool Judge::fold(const std::string& path) {
  const auto at = told_at(path);
  if (at.size() == path.size()) return false;
  ++folded_[std::string(at)];
  return true;
}

void Judge::added(std::string path, const Observed& observed) {
  if (fold(path)) return;
  Finding finding = scanner::added(observed);
  finding.path = std::move(path);
  if (observed.type == FileType::directory) count_below(finding);
  result_.findings.push_back(std::move(finding));
}

void Judge::unchecked(std::string path, const Observed& observed) {
  auto finding = judge_mutable(observed);
  if (finding && !fold(path)) report(std::move(*finding), std::move(path));
}

void Judge::report(Finding finding, std::string path) {
  finding.path = std::move(path);
  result_.findings.push_back(std::move(finding));
}

void Judge::count_below(Finding& finding) {
  std::set<std::string> first;
  std::vector<std::pair<Branch::Pointer, DirectoryNames>> waiting;
  DirectoryListing listing;
  auto branch = std::make_shared<const Branch>(nullptr, finding.path);
  while (!stop_.stop_requested()) {
    const std::string directory = branch->path();
    const manifests::UniqueFd fd = open_directory_beneath(root_, directory);
    ScanProgress::Place::count(place_.steps);
    DirectoryNames below;
    const auto hand_over = [&] { waiting.emplace_back(branch, std::exchange(below, {})); };
    const auto count = [&](const DirectoryListing::Name& name) {
      ScanProgress::Place::count(place_.steps);
      ++finding.below;
      if (name.type == DT_DIR) below.add(name.text);
      if (below.is_full()) hand_over();
      first.insert(join(directory, name.text));
      if (first.size() > Finding::kFirstBelow) first.erase(std::prev(first.end()));
    };
    if (fd)
      (void)listing.for_each(fd.get(), stop_, count);  // else the finding says that the whole is not as it should be
    if (!below.empty()) hand_over();
    if (waiting.empty()) break;
    auto& [above, names] = waiting.back();
    branch = std::make_shared<const Branch>(above, names.take_last());
    if (names.empty()) waiting.pop_back();
  }
  finding.first_below.assign(first.begin(), first.end());
}

bool Judge::may_vanish(EntryIndex entry) const {
  for (const EntryIndex end = manifest_.subtree_end(entry); entry < end;) {
    if (manifest_.optional(entry)) {
      entry = manifest_.subtree_end(entry);
      continue;
    }
    const bool has_known_content = manifest_.blake3(entry) != nullptr || manifest_.sha256(entry) != nullptr;
    if (has_known_content || !manifest_.is_mutable(path_of(entry))) return false;
    ++entry;
  }
  return true;
}

std::string Judge::path_of(EntryIndex entry) const { return entry == kRootEntry ? "." : manifest_.path(entry); }

}  // namespace driftd::scanner
