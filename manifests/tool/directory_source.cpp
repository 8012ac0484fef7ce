#include "manifests/tool/directory_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "manifests/escape.hpp"
#include "manifests/rel_path.hpp"
#include "manifests/signed_file.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/accounts.hpp"
#include "scanner/directory_listing.hpp"
#include "scanner/observe.hpp"
#include "scanner/safe_open.hpp"

namespace driftd::manifests::tool {
namespace {

using scanner::FileType;
using scanner::Observation;
using scanner::Observed;
using scanner::Outcome;

Error failed(const std::string& path, const Observation& seen) {
  switch (seen.outcome) {
    case Outcome::vanished: return {ErrorCode::io, escape(path) + ": vanished while it was read"};
    case Outcome::unverified: break;
    default: return {ErrorCode::io, escape(path) + ": stopped"};
  }
  if (seen.error != 0) return system_error(path, seen.error);
  if (seen.reason == scanner::UnverifiedReason::mount) {
    return {ErrorCode::io, escape(path) + ": another file system is mounted there; build from a plain directory"};
  }
  return {ErrorCode::io, escape(path) + ": changes while it is read; build from a directory at rest"};
}

/// Of a path that is longer than any that can be released, as much as tells where it is.
constexpr std::size_t kShown = 80;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

class DirectoryReader {
 public:
  DirectoryReader(int root, std::uint64_t mount, const SourceRules& rules, const ManifestPlace& manifest,
                  Progress& progress)
      : root_(root), mount_(mount), rules_(rules), own_manifest_(manifest.below), progress_(progress) {
    struct stat out {};
    if (manifest.is_stdout && ::fstat(STDOUT_FILENO, &out) == 0 && S_ISREG(out.st_mode)) standard_output_ = out;
  }

  Result<std::vector<SourceItem>> read(unsigned threads) {
    scanner::Observer observer(mount_, nullptr, nullptr, {});
    directories_.emplace_back(".");
    while (!directories_.empty()) {
      const std::string path = std::move(directories_.back());
      directories_.pop_back();
      if (auto walked = walk(path, Below::wanted, observer); !walked) return walked.error();
    }
    progress_.expect_bytes(bytes_to_hash_);
    if (auto hashed = hash_all(threads); !hashed) return hashed.error();
    return std::move(items_);
  }

 private:
  enum class Below { wanted, unwanted };

  /// Lists one directory; those below have their turn later, and files get their content then.
  Result<void> walk(const std::string& path, Below below, scanner::Observer& observer) {
    const UniqueFd directory = scanner::open_directory_beneath(root_, path);
    if (!directory) return failed(path, scanner::Observer::failed(errno));
    Observed observed;
    if (const auto seen = observer.observe_directory(directory.get(), observed); seen.outcome != Outcome::seen) {
      return failed(path, seen);
    }
    const std::size_t own = items_.size();
    const std::size_t others = directories_.size();
    items_.push_back({path, std::move(observed), {}, {}});
    if (below == Below::unwanted) return {};

    std::vector<std::string> names;
    scanner::DirectoryListing listing;
    if (const int error = listing.for_each(
            directory.get(), {}, [&](const scanner::DirectoryListing::Name& name) { names.emplace_back(name.text); })) {
      return system_error(path, error);
    }
    bool held_own_manifest = false;
    for (const std::string& name : names) {
      const std::string child = path == "." ? name : path + "/" + name;
      if (is_own_manifest(path, name)) {
        held_own_manifest = true;
      } else if (auto visited = visit(directory.get(), name, child, observer); !visited) {
        return visited;
      }
    }
    // A directory that is there for the manifest alone is as little part of the release as the manifest.
    const bool holds_more = items_.size() != own + 1 || directories_.size() != others;
    if (held_own_manifest && !holds_more && path != ".") items_.pop_back();
    return {};
  }

  Result<void> visit(int directory, const std::string& name, const std::string& path, scanner::Observer& observer) {
    const Interest interest = interest_in(rules_, path);
    if (interest == Interest::none) return {};
    if (path.size() > kMaxPath) {
      return Error{ErrorCode::format, escape(path.substr(0, kShown)) + "...: longer than 4096 bytes"};
    }
    Observed observed;
    const auto seen = observer.observe(directory, name.c_str(), {}, observed);
    if (seen.outcome != Outcome::seen) return failed(path, seen);
    if (observed.type == FileType::directory) {
      // Nothing below a directory with a rule LITERAL/** is of interest, whatever it is called.
      const bool is_closed = interest == Interest::attributes && interest_in(rules_, path + "/x") == Interest::none;
      if (!is_closed) return directories_.push_back(path), Result<void>{};
      if (may_stay_unopened(directory, name))
        return items_.push_back({path, std::move(observed), {}, {}}), Result<void>{};
      return walk(path, Below::unwanted, observer);
    }
    if (interest == Interest::content && is_standard_output(directory, name)) {
      return Error{ErrorCode::usage, escape(path) + ": standard output is a file inside the source: use -o"};
    }
    if (observed.type == FileType::file && interest == Interest::content) {
      to_hash_[directory_of(path)].push_back(items_.size());
      bytes_to_hash_ += observed.size;
    }
    items_.push_back({path, std::move(observed), {}, {}});
    return {};
  }

  /// What cannot be read and need not be, since nothing below is listed. An ACL is seen by opening alone.
  [[nodiscard]] bool may_stay_unopened(int directory, const std::string& name) const {
    return rules_.mode != ModePolicy::exact && ::faccessat(directory, name.c_str(), R_OK, AT_EACCESS) != 0;
  }

  [[nodiscard]] bool is_standard_output(int directory, const std::string& name) const {
    struct stat seen {};
    return standard_output_ && ::fstatat(directory, name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) == 0 &&
           seen.st_dev == standard_output_->st_dev && seen.st_ino == standard_output_->st_ino;
  }

  /// Directories are shared out among threads; each is opened once.
  Result<void> hash_all(unsigned threads) {
    const std::vector<std::pair<std::string, std::vector<std::size_t>>> work(to_hash_.begin(), to_hash_.end());
    std::atomic<std::size_t> next{0};
    std::vector<std::optional<Error>> errors(work.size());
    const auto run = [&] {
      scanner::Observer observer(mount_, nullptr, nullptr, {});
      for (std::size_t i = next++; i < work.size(); i = next++) {
        if (auto done = hash_directory(work[i].first, work[i].second, observer); !done) errors[i] = done.error();
      }
    };
    std::vector<std::exception_ptr> failures(threads);
    {
      std::vector<std::jthread> others;
      const auto run_other = [&](unsigned number) {
        try {
          run();
        } catch (...) {
          failures[number] = std::current_exception();
        }
      };
      try {
        for (unsigned i = 1; i < threads; ++i) others.emplace_back(run_other, i);
      } catch (const std::exception&) {  // those that there are do it all
      }
      run();
    }
    for (const auto& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    for (const auto& error : errors) {
      if (error) return *error;
    }
    return {};
  }

  Result<void> hash_directory(const std::string& path, const std::vector<std::size_t>& files,
                              scanner::Observer& observer) {
    const UniqueFd directory = scanner::open_directory_beneath(root_, path);
    if (!directory) return failed(path, scanner::Observer::failed(errno));
    for (const std::size_t index : files) {
      SourceItem& file = items_[index];
      const std::string name(RelPath::parse(file.path)->name());
      scanner::ContentWanted wanted;
      wanted.blake3 = rules_.blake3;
      wanted.sha256 = rules_.sha256;
      Observed observed;
      const auto seen = observer.observe(directory.get(), name.c_str(), wanted, observed);
      if (seen.outcome != Outcome::seen) return failed(file.path, seen);
      if (observed.type != FileType::file) {
        return failed(file.path, {Outcome::unverified, scanner::UnverifiedReason::unstable, 0});
      }
      progress_.add_bytes(observed.size);
      progress_.add_file();
      file.seen = std::move(observed);
    }
    return {};
  }

  [[nodiscard]] bool is_own_manifest(const std::string& directory, const std::string& name) const {
    const auto own = RelPath::parse(own_manifest_);
    return own && directory_of(own_manifest_) == directory && belongs_to_manifest(name, own->name());
  }

  int root_;
  std::uint64_t mount_;
  std::optional<struct stat> standard_output_;  ///< a file that is being written
  const SourceRules& rules_;
  const std::string& own_manifest_;
  Progress& progress_;
  std::vector<std::string> directories_;  ///< still to be listed
  std::vector<SourceItem> items_;
  std::map<std::string, std::vector<std::size_t>> to_hash_;  ///< by directory
  std::uint64_t bytes_to_hash_ = 0;
};

}  // namespace

Result<void> read_directory(const std::string& directory, const ManifestPlace& manifest, unsigned threads,
                            ReleaseTree& tree, Progress& progress) {
  const UniqueFd root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return system_error(directory, errno);
  const auto mount = scanner::mount_of(root.get());
  if (!mount) return system_error(directory, errno);
  const auto accounts = scanner::Accounts::load();
  if (!accounts) return accounts.error();
  auto items = DirectoryReader(root.get(), *mount, tree.rules(), manifest, progress).read(threads);
  if (!items) return items.error();
  for (SourceItem& item : *items) {
    item.uname = accounts->user(item.seen.uid);
    item.gname = accounts->group(item.seen.gid);
    if (auto added = tree.add(item); !added) return added;
  }
  return {};
}

}  // namespace driftd::manifests::tool
