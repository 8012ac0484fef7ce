#include "manifests/tool/directory_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>

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

/// Parents before children, siblings in byte order: a slash sorts below every byte that a name can hold.
bool canonical_less(const SourceEntry& a, const SourceEntry& b) {
  if (a.path == "." || b.path == ".") return a.path == "." && b.path != ".";
  const auto rank = [](char c) { return c == '/' ? 0U : static_cast<unsigned char>(c); };
  return std::lexicographical_compare(a.path.begin(), a.path.end(), b.path.begin(), b.path.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

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

class DirectoryReader {
 public:
  DirectoryReader(int root, std::uint64_t mount, const SourceRules& rules, scanner::Accounts accounts)
      : root_(root), mount_(mount), rules_(rules), accounts_(std::move(accounts)) {}

  Result<std::vector<SourceEntry>> read() {
    scanner::Observer observer(mount_, nullptr, {});
    if (auto walked = walk(".", observer); !walked) return walked.error();
    if (auto hashed = hash_all(); !hashed) return hashed.error();
    return std::move(entries_);
  }

 private:
  /// Lists one directory and those below; files get their content later.
  Result<void> walk(const std::string& path, scanner::Observer& observer) {
    const UniqueFd directory = scanner::open_directory_beneath(root_, path);
    if (!directory) return failed(path, scanner::Observer::failed(errno));
    Observed observed;
    if (const auto seen = observer.observe_directory(directory.get(), observed); seen.outcome != Outcome::seen) {
      return failed(path, seen);
    }
    const bool is_free = path != "." && is_mutable(path);
    const bool ignored = std::any_of(rules_.mutable_globs.begin(), rules_.mutable_globs.end(),
                                     [&](const Glob& glob) { return glob.literal_directory() == path; });
    auto entry = make_entry(path, observed);
    if (!entry) return entry.error();
    entry->optional = is_free && !ignored;
    entry->ignore = ignored;
    const std::size_t own = entries_.size();
    entries_.push_back({path, std::move(*entry)});
    if (ignored) return {};

    std::vector<std::string> names;
    scanner::DirectoryListing listing;
    if (const int error = listing.for_each(
            directory.get(), [&](const char* name, std::size_t, unsigned char) { names.emplace_back(name); })) {
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
    if (held_own_manifest && entries_.size() == own + 1 && path != ".") entries_.pop_back();
    return {};
  }

  Result<void> visit(int directory, const std::string& name, const std::string& path, scanner::Observer& observer) {
    Observed observed;
    const auto seen = observer.observe(directory, name.c_str(), {}, observed);
    if (seen.outcome != Outcome::seen) return failed(path, seen);
    if (observed.type == FileType::directory) return walk(path, observer);
    const bool is_free = is_mutable(path);
    if (observed.type == FileType::symlink && is_free) return {};  // a link's target cannot be left open
    auto entry = make_entry(path, observed);
    if (!entry) return entry.error();
    if (is_free) {
      entry->optional = true;
      entry->executable = false;
      entry->size.reset();
    } else if (observed.type == FileType::file) {
      to_hash_[directory_of(path)].push_back(entries_.size());
    }
    entries_.push_back({path, std::move(*entry)});
    return {};
  }

  Result<Entry> make_entry(const std::string& path, const Observed& observed) const {
    Entry entry;
    switch (observed.type) {
      case FileType::file: entry.type = EntryType::file; break;
      case FileType::directory: entry.type = EntryType::directory; break;
      case FileType::symlink: entry.type = EntryType::symlink; break;
      default: {
        return Error{ErrorCode::format, escape(path) + ": a " + std::string(to_string(observed.type)) +
                                            " cannot be part of a release; leave it out or cover it with --mutable"};
      }
    }
    if (observed.type == FileType::file) {
      entry.size = observed.size;
      entry.attributes.capability = observed.capability;
    }
    if (observed.type == FileType::symlink) entry.attributes.link = observed.target;
    take_owner(observed, entry.attributes);
    if (rules_.mode == ModePolicy::exact) {
      if (observed.type != FileType::symlink) entry.attributes.mode = observed.mode;
      entry.attributes.acl = observed.acl;
    } else if (observed.type == FileType::file) {
      entry.executable = (observed.mode & S_IXUSR) != 0;
      if ((observed.mode & (S_ISUID | S_ISGID)) != 0) {
        return Error{ErrorCode::format, escape(path) +
                                            ": is setuid or setgid, which a host accepts only where the mode is "
                                            "recorded; use --mode exact"};
      }
    }
    return entry;
  }

  void take_owner(const Observed& observed, Attributes& attributes) const {
    if (rules_.owner == "none") return;
    if (rules_.owner != "source") {
      const std::size_t colon = rules_.owner.find(':');
      attributes.uname = rules_.owner.substr(0, colon);
      attributes.gname = rules_.owner.substr(colon + 1);
      return;
    }
    attributes.uname = accounts_.user(observed.uid);
    if (!attributes.uname) attributes.uid = observed.uid;
    attributes.gname = accounts_.group(observed.gid);
    if (!attributes.gname) attributes.gid = observed.gid;
  }

  /// Directories are shared out among threads; each is opened once.
  Result<void> hash_all() {
    std::vector<std::pair<std::string, std::vector<std::size_t>>> work(to_hash_.begin(), to_hash_.end());
    std::atomic<std::size_t> next{0};
    std::vector<std::optional<Error>> errors(work.size());
    const auto run = [&] {
      scanner::Observer observer(mount_, nullptr, {});
      for (std::size_t i = next++; i < work.size(); i = next++) {
        if (auto done = hash_directory(work[i].first, work[i].second, observer); !done) errors[i] = done.error();
      }
    };
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 1; i < rules_.threads; ++i) threads.emplace_back(run);
      run();
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
      SourceEntry& file = entries_[index];
      const std::string name(RelPath::parse(file.path)->name());
      scanner::ContentWanted wanted;
      wanted.blake3 = rules_.blake3;
      wanted.sha256 = rules_.sha256;
      Observed observed;
      const auto seen = observer.observe(directory.get(), name.c_str(), wanted, observed);
      if (seen.outcome != Outcome::seen) return failed(file.path, seen);
      auto entry = make_entry(file.path, observed);
      if (!entry) return entry.error();
      if (entry->type != EntryType::file)
        return failed(file.path, {Outcome::unverified, scanner::UnverifiedReason::unstable, 0});
      entry->blake3 = observed.blake3;
      entry->sha256 = observed.sha256;
      file.entry = std::move(*entry);
    }
    return {};
  }

  [[nodiscard]] bool is_mutable(const std::string& path) const {
    return std::any_of(rules_.mutable_globs.begin(), rules_.mutable_globs.end(),
                       [&](const Glob& glob) { return glob.matches(path); });
  }

  [[nodiscard]] bool is_own_manifest(const std::string& directory, const std::string& name) const {
    const auto own = RelPath::parse(rules_.own_manifest);
    return own && directory_of(rules_.own_manifest) == directory && belongs_to_manifest(name, own->name());
  }

  static std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
  }

  int root_;
  std::uint64_t mount_;
  const SourceRules& rules_;
  scanner::Accounts accounts_;
  std::vector<SourceEntry> entries_;
  std::map<std::string, std::vector<std::size_t>> to_hash_;  ///< by directory
};

using ByPath = std::map<std::string, std::size_t>;

/// Adds a path that the source lacks, and the directories above it that it lacks, as optional.
void add_absent(std::vector<SourceEntry>& entries, ByPath& known, const std::string& path, Entry entry) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (!known.try_emplace(above, entries.size()).second) continue;
    Entry directory;
    directory.type = EntryType::directory;
    directory.optional = true;
    entries.push_back({above, std::move(directory)});
  }
  entry.optional = true;
  known[path] = entries.size();
  entries.push_back({path, std::move(entry)});
}

Result<void> apply_rules(std::vector<SourceEntry>& entries, const SourceRules& rules) {
  ByPath known;
  for (std::size_t i = 0; i < entries.size(); ++i) known.emplace(entries[i].path, i);
  for (const Glob& glob : rules.mutable_globs) {
    const auto directory = glob.literal_directory();
    if (!directory || known.contains(*directory)) continue;
    Entry entry;
    entry.type = EntryType::directory;
    entry.ignore = true;
    add_absent(entries, known, *directory, std::move(entry));
  }
  for (const std::string& path : rules.optional_paths) {
    if (!RelPath::parse(path)) {
      return Error{ErrorCode::usage, "--optional '" + escape(path) + "': not a path below the source's root"};
    }
    if (const auto at = known.find(path); at != known.end()) {
      entries[at->second].entry.optional = true;
    } else {
      add_absent(entries, known, path, Entry{});
    }
  }
  return {};
}

}  // namespace

Result<std::vector<SourceEntry>> read_directory(const std::string& directory, const SourceRules& rules) {
  const UniqueFd root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return system_error(directory, errno);
  const auto mount = scanner::mount_of(root.get());
  if (!mount) return system_error(directory, errno);
  auto accounts = scanner::Accounts::load();
  if (!accounts) return accounts.error();
  auto entries = DirectoryReader(root.get(), *mount, rules, std::move(*accounts)).read();
  if (!entries) return entries.error();
  if (auto applied = apply_rules(*entries, rules); !applied) return applied.error();
  std::sort(entries->begin(), entries->end(), canonical_less);
  return entries;
}

}  // namespace driftd::manifests::tool
