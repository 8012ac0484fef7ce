#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What files below /proc/PID say (proc(5)). Pure functions; nothing where the text is not what the kernel writes.
namespace driftd::scanner {

struct ProcessStat {
  std::string name;  ///< as the kernel has it (comm), any bytes
  std::int32_t parent = 0;
  std::uint32_t terminal = 0;  ///< device number, 0: none
  std::uint64_t started = 0;   ///< clock ticks after boot
};
std::optional<ProcessStat> parse_process_stat(std::string_view text);

struct ProcessStatus {
  std::uint32_t effective_uid = 0;
  /// By setuid(2) or a set-user-ID program: who it was when it did something is not certain.
  bool has_several_users = false;
  bool is_contained = false;  ///< in a pid namespace below that of the reader's /proc
  unsigned threads = 1;
};
std::optional<ProcessStatus> parse_process_status(std::string_view text);

/// The effective user that a program began with, by its own user namespace, from /proc/PID/auxv (getauxval(3)).
std::optional<std::uint32_t> parse_first_uid(std::string_view auxiliary_vector);

/// `pts/3`, `tty1`; empty for 0, `MAJOR:MINOR` for what has no usual name.
std::string terminal_name(std::uint32_t device);

/// A uid or session; nothing for 4294967295, which stands for none.
std::optional<std::uint32_t> parse_set_number(std::string_view text);

/// The number that was given last, from /proc/loadavg.
std::optional<std::int32_t> parse_latest_pid(std::string_view text);

struct ControlGroup {
  std::string unit;
  std::string container;
};
/// The unit is the first below the slices, which systemd itself names: what is further below may be anybody's.
ControlGroup parse_control_group(std::string_view text);

struct Arguments {
  std::vector<std::string> words;
  bool is_cut = false;
};
inline constexpr std::size_t kMostArguments = 24;
inline constexpr std::size_t kLongestArgument = 80;
inline constexpr std::size_t kLongestCommandLine = 400;
/// The words of /proc/PID/cmdline, of which `text` may be the beginning.
Arguments parse_command_line(std::string_view text);

/// A line of /proc/net/tcp or tcp6.
struct TcpSocket {
  std::uint64_t inode = 0;
  std::uint16_t port = 0;  ///< at this end
  bool listens = false;
  std::string remote;  ///< the address at the other end of a connection
};
/// Those that listen, and established connections.
std::vector<TcpSocket> parse_tcp_sockets(std::string_view text);

}  // namespace driftd::scanner
