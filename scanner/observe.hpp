#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

#include "manifests/digest.hpp"
#include "scanner/finding.hpp"
#include "scanner/observed.hpp"
#include "scanner/throttle.hpp"

namespace driftd::scanner {

/// How far to look at a file's content. Wanting no digest, the file is not even opened.
struct ContentWanted {
  bool blake3 = false;
  bool sha256 = false;
  std::optional<std::uint64_t> size;  ///< another size than this: the content is not read

  [[nodiscard]] bool any() const { return blake3 || sha256; }
};

enum class Outcome : std::uint8_t {
  seen,        ///< `observed` is what stands there
  vanished,    ///< nothing stands there
  unverified,  ///< see `reason` and `error`
  stopped,     ///< a stop was requested meanwhile
};

struct Observation {
  Outcome outcome = Outcome::seen;
  UnverifiedReason reason = UnverifiedReason::io;
  int error = 0;
};

struct ObserverCounters {
  std::uint64_t hashed_files = 0;
  std::uint64_t hashed_bytes = 0;
};

/// Looks at single paths in open directories. Has a buffer and hash states of its own, so one a thread. Never follows
/// a link, never blocks on a FIFO, never crosses into another mount than the root's.
class Observer {
 public:
  /// `mount` is the STATX_MNT_ID of the tree's root. `throttle` may be null; it must outlive the observer.
  Observer(std::uint64_t mount, Throttle* throttle, std::stop_token stop);

  /// Attributes, the content of a regular file as far as wanted, the target of a link. A file that changes while it
  /// is read is read again, up to three times, and is `unverified: unstable` after that.
  Observation observe(int directory, const char* name, const ContentWanted& wanted, Observed& observed);

  /// As observe(), for the tree's root or another directory that is open already.
  Observation observe_directory(int directory, Observed& observed);

  /// The observation that a system call's errno stands for.
  static Observation failed(int error);

  [[nodiscard]] const ObserverCounters& counters() const { return counters_; }

 private:
  enum class Attempt : std::uint8_t { done, moved, not_a_file };

  Observation observe_open_file(int fd, const ContentWanted& wanted, Observed& observed, Attempt& attempt);
  Observation observe_unopened(int directory, const char* name, Observed& observed);
  Observation look_unopened(int directory, const char* name, Observed& observed) const;
  Observation hash(int fd, const ContentWanted& wanted, Observed& observed, bool& complete);

  const std::uint64_t mount_;
  Throttle* throttle_;
  std::stop_token stop_;
  std::unique_ptr<unsigned char[]> buffer_;
  manifests::Blake3 blake3_;
  manifests::Sha256 sha256_;
  ObserverCounters counters_;
};

/// The STATX_MNT_ID of an open directory, or nothing with errno set.
std::optional<std::uint64_t> mount_of(int fd);

}  // namespace driftd::scanner
