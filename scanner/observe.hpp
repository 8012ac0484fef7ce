#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "manifests/digest.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/change_stamp.hpp"
#include "scanner/finding.hpp"
#include "scanner/observed.hpp"
#include "scanner/quiet_reader.hpp"
#include "scanner/scan_progress.hpp"
#include "scanner/stat_cache.hpp"
#include "scanner/throttle.hpp"

namespace driftd::scanner {

/// How far to look at a file's content, and whether its number is wanted. Wanting no digest, the file is not even
/// opened.
struct ContentWanted {
  bool blake3 = false;
  bool sha256 = false;
  std::optional<std::uint64_t> size;  ///< another size than this: the content is not read
  bool number = false;                ///< by an observer with a cache, of what is no directory
  std::uint64_t known = 0;            ///< unless it has this fingerprint

  [[nodiscard]] bool any() const { return blake3 || sha256; }
};

enum class Outcome : std::uint8_t {
  seen,        ///< `observed` is what stands there
  vanished,    ///< nothing stands there
  unverified,  ///< see `reason` and `error`
  stopped,     ///< a stop was requested meanwhile
  not_cached,  ///< the content has to be waited for; see Observer::begin()
};

struct Observation {
  Outcome outcome = Outcome::seen;
  UnverifiedReason reason = UnverifiedReason::io;
  int error = 0;

  [[nodiscard]] bool is_unstable() const {
    return outcome == Outcome::unverified && reason == UnverifiedReason::unstable;
  }
};

struct ObserverCounters {
  std::uint64_t hashed_files = 0;
  std::uint64_t hashed_bytes = 0;
};

/// A regular file between begin() and finish(): its content is on the way from the disk.
class OpenFile {
 public:
  OpenFile() = default;

 private:
  friend class Observer;
  manifests::UniqueFd fd_;
  std::optional<QuietReader> reader_;  ///< goes before the descriptor
  struct statx before_ {};
  bool can_tell_ = false;   ///< whether a change after that look shows in the file's times
  std::uint64_t paid_ = 0;  ///< to the throttle, and not read yet
};

/// Looks at single paths in open directories. Has a buffer and hash states of its own, so one a thread. Never follows
/// a link, never blocks on a FIFO, never crosses into another mount than the root's, nor asks that for anything.
class Observer {
 public:
  /// `mount` is the STATX_MNT_ID of the tree's root. `throttle` and `cache` may be null; they must outlive the
  /// observer, as must `place`, where it counts for who watches. With a cache, what is observed has a fingerprint, for
  /// which `accounts` are wanted.
  Observer(std::uint64_t mount, Throttle* throttle, const StatCache* cache, std::stop_token stop,
           ScanProgress::Place* place = nullptr, std::uint64_t accounts = 0);

  /// Attributes, the content of a regular file as far as wanted, the target of a link. A file that changes while it
  /// is read, or that cannot be opened for another's write lease, is tried again, up to three times, and is
  /// `unverified: unstable` after that.
  Observation observe(int directory, const char* name, const ContentWanted& wanted, Observed& observed);

  /// As observe(), but where the content is not in memory, `not_cached`: it has been asked for, and finish() gives the
  /// rest of the observation, so that the disk can be kept busy with many files at once.
  Observation begin(int directory, const char* name, const ContentWanted& wanted, Observed& observed, OpenFile& file);

  /// After `not_cached`; `observed` is the one that begin() has filled. A file that changed since then is `unverified:
  /// unstable`, and observe_again() makes the other attempts that a file has.
  Observation finish(OpenFile& file, const ContentWanted& wanted, Observed& observed);
  Observation observe_again(int directory, const char* name, const ContentWanted& wanted, Observed& observed);

  /// As observe(), for the tree's root or another directory that is open already. `stamp`: how it looked then.
  Observation observe_directory(int directory, Observed& observed, ChangeStamp* stamp = nullptr);

  /// For the cache, which must be there: how what stands there looks now, without a look at it. 0: not to be relied on.
  StatCache::Fingerprint fingerprint(int directory, const char* name) const;

  /// The observation that a system call's errno stands for.
  static Observation failed(int error);

  [[nodiscard]] const ObserverCounters& counters() const { return counters_; }

 private:
  /// How an attempt at an open file ended.
  enum class Attempt : std::uint8_t { done, moved, not_a_file, not_cached };

  Observation observe(int directory, const char* name, const ContentWanted& wanted, int attempts, Observed& observed);
  /// Opens what stands there; where that is no regular file, or cannot be opened, gives the observation instead.
  std::optional<Observation> open(int directory, const char* name, const ContentWanted& wanted, Observed& observed,
                                  OpenFile& file);
  Observation inspect(OpenFile& file, const ContentWanted& wanted, bool may_wait, Observed& observed, Attempt& attempt);
  Observation hash(OpenFile& file, const ContentWanted& wanted, bool may_wait, Observed& observed, Attempt& attempt);
  /// As the throttle has it: how much to read, and how far ahead to ask the disk.
  /// The throttle, once for what is read at `position`.
  void pay_for(OpenFile& file, std::uint64_t position, std::size_t most);
  /// So much was read there; the rest that was paid for is given back.
  void settle(OpenFile& file, std::uint64_t position, std::size_t length);
  [[nodiscard]] std::uint64_t most_at_once() const;
  [[nodiscard]] std::uint64_t most_ahead() const;
  void wait_briefly() const;
  bool look_before(OpenFile& file, const ContentWanted& wanted) const;
  static bool has_other_size(const OpenFile& file, const ContentWanted& wanted);
  static bool has_moved(const OpenFile& file);
  void fill(const struct statx& status, Observed& observed) const;
  void number(int directory, const char* name, const ContentWanted& wanted, Observed& observed) const;
  Observation observe_unopened(int directory, const char* name, const ContentWanted& wanted, Observed& observed);
  Observation look_unopened(int directory, const char* name, const ContentWanted& wanted, Observed& observed) const;

  const std::uint64_t mount_;
  Throttle* throttle_;
  const StatCache* cache_;
  std::uint64_t accounts_;
  ScanProgress::Place unwatched_;
  ScanProgress::Place& place_;
  std::stop_token stop_;
  std::unique_ptr<unsigned char[]> buffer_;
  manifests::Blake3 blake3_;
  manifests::Sha256 sha256_;
  ObserverCounters counters_;
};

/// The STATX_MNT_ID of an open directory, or nothing with errno set.
std::optional<std::uint64_t> mount_of(int fd);

}  // namespace driftd::scanner
