#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanner/change_stamp.hpp"
#include "scanner/file_id.hpp"
#include "scanner/finding.hpp"

namespace driftd::scanner {

/// What is known of the process that made a change, as it was right after it: executable and arguments are those of
/// then, which after an exec are its successor's. What is not known is empty or nothing. Texts are raw bytes that the
/// process's owner can choose, and bounded.
struct Evidence {
  struct Process {
    std::int32_t pid = 0;
    std::string name;

    friend bool operator==(const Process&, const Process&) = default;
  };

  std::int32_t pid = 0;       ///< as driftd sees it
  std::uint64_t started = 0;  ///< clock ticks after boot
  std::string name;           ///< the kernel's short one (comm)
  std::string executable;
  std::vector<std::string> arguments;  ///< each and all together cut, so that few secrets are in them
  bool arguments_cut = false;

  std::optional<std::uint32_t> uid;        ///< where the real, the effective and the saved one are the same
  std::string user;                        ///< its name, where the process has this host's accounts
  bool uid_in_doubt = false;               ///< it may have been another when it did what it did
  std::optional<std::uint32_t> login_uid;  ///< who logged in, whatever user they became; nothing: nobody did
  std::string login_user;
  std::optional<std::uint32_t> session;  ///< of the kernel's audit; likewise
  std::string terminal;                  ///< `pts/0`
  std::string client;                    ///< the address at the other end of the SSH connection above the process
  std::string unit;                      ///< systemd's, as it stands in the control group
  std::string container;                 ///< its id or name

  std::vector<Process>
      parents;               ///< from the parent up to root's sshd or the first process of the host, which is left out
  bool parents_cut = false;  ///< there are more

  friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// The last that touched a path before it was looked at.
struct PathEvidence {
  std::shared_ptr<const Evidence> last;  ///< null: unknown
  std::int64_t at = 0;                   ///< when that was read, in seconds since 1970
  bool several = false;                  ///< others have touched it, too
  /// What stood there after the latest touch, or the directory that it was gone from. Without its device where that was
  /// read before the host was started.
  FileId file{};
  /// Between which ctimes of that all touches in a row were this process's: with another it was changed by somebody who
  /// was not told of. Of a directory, until the latest change in it that was told. Nothing: not known.
  struct Changed {
    FileTime first;
    FileTime latest;

    friend bool operator==(const Changed&, const Changed&) = default;
  };
  std::optional<Changed> changed{};
};

/// Whether what stands there is what the process that is known left there, and as it was then, as far as times can
/// tell.
bool is_of(const PathEvidence& evidence, const Finding& finding);

/// Whether both are known, and one process.
bool is_same_process(const PathEvidence& one, const PathEvidence& other);

/// Together with what is known of `later`.
PathEvidence merged(const PathEvidence& earlier, PathEvidence later);

}  // namespace driftd::scanner
