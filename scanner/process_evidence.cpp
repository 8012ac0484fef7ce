#include "scanner/process_evidence.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <set>
#include <string_view>

#include "manifests/file_io.hpp"
#include "scanner/process_files.hpp"
#include "scanner/process_texts.hpp"
#include "scanner/process_user.hpp"

namespace driftd::scanner {
namespace {

using manifests::UniqueFd;

constexpr std::size_t kMostParents = 16;
/// Some ten thousand connections. On a host with more the address stays unknown.
constexpr std::size_t kMostOfTcp = 4 * 1024 * 1024;
constexpr std::size_t kMostAccounts = 16 * 1024 * 1024;
constexpr std::size_t kMostDescriptors = 256;
constexpr std::size_t kMostClients = 64;
/// An exec while it is read makes the evidence one of two programs, and it is read again.
constexpr int kAttempts = 3;
constexpr auto kAncestryHolds = std::chrono::seconds(1);

std::string name_at(int directory) {
  std::string name = read_at(directory, "comm").value_or("");
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

std::optional<ProcessStat> stat_at(int directory) {
  const auto text = read_at(directory, "stat");
  return text ? parse_process_stat(*text) : std::nullopt;
}

/// None where it is another program by now.
Arguments arguments_at(int directory, const std::string& executable) {
  Arguments arguments;
  // For a moment after an exec there are none yet; some programs wipe them.
  for (int attempt = 0; attempt < kAttempts && arguments.words.empty(); ++attempt) {
    arguments = parse_command_line(read_at(directory, "cmdline").value_or(""));
    const std::string still = link_at(directory, "exe");
    if (still.empty()) break;
    if (still != executable) return {};
  }
  return arguments;
}

/// The inodes of the sockets that a process holds; nothing where it holds too much to look at.
std::optional<std::set<std::uint64_t>> sockets_of(int directory) {
  const int descriptors = ::openat(directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptors < 0) return std::nullopt;
  DIR* listing = ::fdopendir(descriptors);
  if (listing == nullptr) {
    ::close(descriptors);
    return std::nullopt;
  }
  std::set<std::uint64_t> sockets;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(listing)) {
    if (++count > kMostDescriptors) break;
    const std::string target = link_at(descriptors, entry->d_name);
    constexpr std::string_view kSocket = "socket:[";
    std::uint64_t inode = 0;
    if (target.starts_with(kSocket) &&
        std::from_chars(target.data() + kSocket.size(), target.data() + target.size(), inode).ec == std::errc()) {
      sockets.insert(inode);
    }
  }
  ::closedir(listing);
  if (count > kMostDescriptors) return std::nullopt;
  return sockets;
}

}  // namespace

bool is_there(int pidfd) {
  // EPERM is an answer about a process that is there. A zombie's is 0.
  return ::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) == 0 || errno == EPERM;
}

manifests::Result<ProcessReader> ProcessReader::open(const std::string& proc, const std::string& passwd) {
  UniqueFd directory(::open(proc.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return manifests::system_error(proc, errno);
  UniqueFd load = open_at(directory.get(), "loadavg");
  std::string users = read_at(directory.get(), "thread-self/uid_map").value_or("");
  return ProcessReader(std::move(directory), std::move(load), passwd, std::move(users));
}

PidCursor ProcessReader::numbers() const {
  const auto now = PidCursor::Clock::now();
  std::array<char, 128> text{};
  const ssize_t length = ::pread(load_.get(), text.data(), text.size(), 0);
  if (length <= 0) return {};
  return {parse_latest_pid({text.data(), static_cast<std::size_t>(length)}).value_or(0), now};
}

/// By this /proc, which may be that of another pid namespace than the process's number in an event is of.
std::optional<std::int32_t> ProcessReader::number_of(int pidfd) const {
  const auto info = read_at(proc_.get(), ("thread-self/fdinfo/" + std::to_string(pidfd)).c_str());
  constexpr std::string_view kKey = "\nPid:\t";
  const std::size_t at = info ? info->find(kKey) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  std::int32_t pid = 0;
  const char* begin = info->data() + at + kKey.size();
  const auto [stop, error] = std::from_chars(begin, info->data() + info->size(), pid);
  return error == std::errc() && pid > 0 ? std::optional(pid) : std::nullopt;
}

std::optional<ProcessReader::Open> ProcessReader::open_process(std::int32_t pid) const {
  UniqueFd directory(::openat(proc_.get(), std::to_string(pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return std::nullopt;
  return Open{pid, std::move(directory)};
}

std::optional<ProcessReader::Open> ProcessReader::open_parent(const Open& child) const {
  const auto before = stat_at(child.directory.get());
  if (!before || before->parent <= 0) return std::nullopt;
  auto parent = open_process(before->parent);
  const auto after = parent ? stat_at(child.directory.get()) : std::nullopt;
  return after && after->parent == before->parent ? std::move(parent) : std::nullopt;
}

std::optional<Evidence> ProcessReader::read(int pidfd) {
  const auto pid = number_of(pidfd);
  auto process = pid ? open_process(*pid) : std::nullopt;
  if (!process) return std::nullopt;
  Evidence evidence;
  evidence.pid = *pid;
  if (!read_identity(*process, evidence) || !is_there(pidfd)) return std::nullopt;
  // From here on it may end: what is known of it stands.
  Arguments arguments = arguments_at(process->directory.get(), evidence.executable);
  auto parent = open_parent(*process);
  if (!is_there(pidfd)) return evidence;
  evidence.arguments = std::move(arguments.words);
  evidence.arguments_cut = arguments.is_cut;
  read_ancestry(*process, std::move(parent), pidfd, evidence);
  return evidence;
}

/// Who it is, as one program.
bool ProcessReader::read_identity(const Open& process, Evidence& evidence) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    evidence.executable = link_at(process.directory.get(), "exe");
    if (!read_own(process, evidence)) return false;
    const std::string still = link_at(process.directory.get(), "exe");
    if (still.empty() || still == evidence.executable) return true;
  }
  return false;
}

bool ProcessReader::read_own(const Open& process, Evidence& evidence) {
  const int directory = process.directory.get();
  auto stat = stat_at(directory);
  const auto status_text = read_at(directory, "status");
  const auto status = status_text ? parse_process_status(*status_text) : std::nullopt;
  if (!stat || !status) return false;
  evidence.name = std::move(stat->name);
  evidence.started = stat->started;
  const ProcessUser user = user_of(directory, *status, own_users_);
  evidence.uid = user.uid;
  evidence.uid_in_doubt = user.is_in_doubt;
  evidence.login_uid = parse_set_number(read_at(directory, "loginuid").value_or(""));
  evidence.session = parse_set_number(read_at(directory, "sessionid").value_or(""));
  ControlGroup group = parse_control_group(read_at(directory, "cgroup").value_or(""));
  evidence.unit = std::move(group.unit);
  evidence.container = std::move(group.container);
  // A container has accounts and terminals of its own.
  const bool is_of_this_host = !status->is_contained && evidence.container.empty();
  evidence.terminal = is_of_this_host && sees_host_terminals(process) ? terminal_name(stat->terminal) : "";
  evidence.user.clear();
  evidence.login_user.clear();
  if (is_of_this_host) name_users(evidence);
  return true;
}

/// Terminals are numbered anew where another devpts is mounted. So they are known of those alone who see what the first
/// process sees mounted, or what this one does.
bool ProcessReader::sees_host_terminals(const Open& process) const {
  const std::string own = link_at(process.directory.get(), "ns/mnt");
  return !own.empty() && (own == link_at(proc_.get(), "1/ns/mnt") || own == link_at(proc_.get(), "thread-self/ns/mnt"));
}

void ProcessReader::name_users(Evidence& evidence) {
  struct stat status {};
  if (::stat(passwd_.c_str(), &status) != 0) return;
  const std::pair<std::uint64_t, std::int64_t> version{
      status.st_ino, status.st_ctim.tv_sec * std::int64_t{1'000'000'000} + status.st_ctim.tv_nsec};
  if (!accounts_ || version != accounts_version_) {
    const auto text = manifests::read_file(passwd_, kMostAccounts);
    accounts_.reset();
    if (!text) return;
    accounts_ = Accounts::parse(*text, "");
    accounts_version_ = version;
  }
  if (evidence.uid) evidence.user = accounts_->user(*evidence.uid).value_or("");
  if (evidence.login_uid) evidence.login_user = accounts_->user(*evidence.login_uid).value_or("");
}

/// The same process may make thousands of changes.
void ProcessReader::read_ancestry(const Open& process, std::optional<Open> parent, int pidfd, Evidence& evidence) {
  const auto now = std::chrono::steady_clock::now();
  const std::int32_t parent_pid = parent ? parent->pid : 0;
  // Two that are there have the same number: they are one.
  const bool is_known = known_.pidfd && known_.pid == process.pid && known_.parent == parent_pid && parent_pid != 0 &&
                        now - known_.read_at < kAncestryHolds && is_there(known_.pidfd.get());
  if (!is_known) {
    known_ = {process.pid, UniqueFd(::fcntl(pidfd, F_DUPFD_CLOEXEC, 0)), parent_pid, now,
              ancestry_of(process, std::move(parent))};
  }
  evidence.parents = known_.ancestry.parents;
  evidence.parents_cut = known_.ancestry.is_cut;
  evidence.client = known_.ancestry.client;
}

ProcessReader::Ancestry ProcessReader::ancestry_of(const Open& process, std::optional<Open> parent) {
  Ancestry ancestry;
  if (is_sshd(process, name_at(process.directory.get()))) {
    ancestry.client = client_of(process);
    return ancestry;
  }
  if (!parent) ancestry.is_cut = stat_at(process.directory.get()).value_or(ProcessStat{{}, 1}).parent != 0;
  while (parent && parent->pid != 1) {
    if (ancestry.parents.size() == kMostParents) {
      ancestry.is_cut = true;
      break;
    }
    const std::string name = name_at(parent->directory.get());
    ancestry.parents.push_back({parent->pid, name});
    if (is_sshd(*parent, name)) {
      ancestry.client = client_of(*parent);
      break;
    }
    auto above = open_parent(*parent);
    if (!above) ancestry.is_cut = stat_at(parent->directory.get()).value_or(ProcessStat{{}, 1}).parent != 0;
    parent = std::move(above);
  }
  return ancestry;
}

/// Root's: anybody can call a program so.
bool ProcessReader::is_sshd(const Open& process, const std::string& name) {
  if (!name.starts_with("sshd")) return false;
  const auto text = read_at(process.directory.get(), "status");
  const auto status = text ? parse_process_status(*text) : std::nullopt;
  if (!status || status->effective_uid != 0) return false;
  std::string program = link_at(process.directory.get(), "exe");
  constexpr std::string_view kReplaced = " (deleted)";  // by an update
  if (program.ends_with(kReplaced)) program.resize(program.size() - kReplaced.size());
  program.erase(0, program.rfind('/') + 1);
  return program == "sshd" || program == "sshd-session";
}

/// The daemon's own word is taken, not the session's SSH_CONNECTION, which is the user's to set, and stays what it was
/// in a terminal multiplexer. Where it has several connections, forwarded ones perhaps, nobody can tell which is it;
/// nor where it has made the only one itself: a client comes in at a port at which somebody else listens.
std::string ProcessReader::client_of(const Open& sshd) {
  // As long as its directory can be read, the process that it was opened for has the number.
  if (const auto known = clients_.find(sshd.pid); known != clients_.end()) {
    if (stat_at(known->second.directory.get())) return known->second.address;
    clients_.erase(known);
  }
  const auto sockets = sockets_of(sshd.directory.get());
  if (!sockets || sockets->empty()) return {};
  std::map<std::uint64_t, TcpSocket> connections;
  std::set<std::uint16_t> ports;
  for (const char* table : {"net/tcp", "net/tcp6"}) {
    const auto text = read_table_at(sshd.directory.get(), table, kMostOfTcp);
    if (!text) return {};
    for (TcpSocket& socket : parse_tcp_sockets(*text)) {
      const bool is_own = sockets->contains(socket.inode);
      if (socket.listens && !is_own) ports.insert(socket.port);
      if (!socket.listens && is_own) connections.emplace(socket.inode, std::move(socket));
    }
  }
  if (connections.size() != 1 || !ports.contains(connections.begin()->second.port)) return {};
  std::string client = connections.begin()->second.remote;
  if (clients_.size() >= kMostClients) clients_.clear();
  UniqueFd directory(::fcntl(sshd.directory.get(), F_DUPFD_CLOEXEC, 0));
  if (directory) clients_[sshd.pid] = {std::move(directory), client};
  return client;
}

}  // namespace driftd::scanner
