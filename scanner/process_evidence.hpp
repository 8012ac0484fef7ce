#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "manifests/error.hpp"
#include "manifests/unique_fd.hpp"
#include "scanner/accounts.hpp"
#include "scanner/evidence.hpp"
#include "scanner/pid_cursor.hpp"

namespace driftd::scanner {

/// Reads Evidence of processes that are known by a pidfd. It is of that process or there is none, however fast
/// processes come and go:
///  1. the process's number is taken from the pidfd, and its directory in /proc is opened, which from then on is of one
///     process only, whoever has the number later;
///  2. executable, users, session and unit are read there;
///  3. the process of the pidfd is still there, dead or alive, so its number was never free, and the directory is its;
///  4. arguments and parents take longer, and are left out where it has gone meanwhile;
///  5. a parent's directory counts if the child named the same parent before and after it was opened: a process does
///     not go back to a parent that it has lost.
/// May wait, where a process's memory is in the hands of a file system that hangs. Not thread-safe.
class ProcessReader {
 public:
  /// `proc` is where proc(5) is mounted, by which processes are counted.
  static manifests::Result<ProcessReader> open(const std::string& proc = "/proc",
                                               const std::string& passwd = "/etc/passwd");

  /// Nothing where the process has been reaped, or keeps changing.
  std::optional<Evidence> read(int pidfd);

  /// How far the numbers of processes are.
  [[nodiscard]] PidCursor numbers() const;

 private:
  struct Ancestry {
    std::vector<Evidence::Process> parents;
    bool is_cut = false;
    std::string client;
  };
  /// What was found above a process, as long as that process, which its pidfd vouches for, is there.
  struct KnownAncestry {
    std::int32_t pid = 0;
    manifests::UniqueFd pidfd;
    std::int32_t parent = 0;
    std::chrono::steady_clock::time_point read_at{};
    Ancestry ancestry;
  };
  struct KnownClient {
    manifests::UniqueFd directory;  ///< of the sshd
    std::string address;
  };
  /// A process whose directory is open.
  struct Open {
    std::int32_t pid = 0;
    manifests::UniqueFd directory;
  };

  ProcessReader(manifests::UniqueFd proc, manifests::UniqueFd load, std::string passwd, std::string own_users)
      : proc_(std::move(proc)), load_(std::move(load)), passwd_(std::move(passwd)), own_users_(std::move(own_users)) {}

  [[nodiscard]] std::optional<std::int32_t> number_of(int pidfd) const;
  [[nodiscard]] std::optional<Open> open_process(std::int32_t pid) const;
  [[nodiscard]] std::optional<Open> open_parent(const Open& child) const;
  bool read_identity(const Open& process, Evidence& evidence);
  bool read_own(const Open& process, Evidence& evidence);
  [[nodiscard]] bool sees_host_terminals(const Open& process) const;
  void name_users(Evidence& evidence);
  void read_ancestry(const Open& process, std::optional<Open> parent, int pidfd, Evidence& evidence);
  [[nodiscard]] Ancestry ancestry_of(const Open& process, std::optional<Open> parent);
  [[nodiscard]] static bool is_sshd(const Open& process, const std::string& name);
  [[nodiscard]] std::string client_of(const Open& sshd);

  manifests::UniqueFd proc_;
  manifests::UniqueFd load_;  ///< its loadavg
  std::string passwd_;
  std::string own_users_;  ///< this process's uid_map
  std::optional<Accounts> accounts_;
  std::pair<std::uint64_t, std::int64_t> accounts_version_{};  ///< inode and ctime
  KnownAncestry known_;
  std::map<std::int32_t, KnownClient> clients_;  ///< by sshd's number
};

/// Whether the process is there, be it as a zombie. Needs no right to signal it.
bool is_there(int pidfd);

}  // namespace driftd::scanner
