#include "scanner/process_texts.hpp"

#include <arpa/inet.h>
#include <elf.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace driftd::scanner {
namespace {

template <class Number>
std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  return !text.empty() && error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlank = " \t\n";
  for (std::size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlank, end);
  }
  return words;
}

template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Pairs of a type and a value, in the words of the program, which may be 32 bits on a kernel of 64.
template <class Word>
std::optional<std::uint64_t> auxiliary_value(std::string_view vector, std::uint64_t wanted) {
  for (; vector.size() >= 2 * sizeof(Word); vector.remove_prefix(2 * sizeof(Word))) {
    std::array<Word, 2> pair{};
    std::memcpy(pair.data(), vector.data(), sizeof pair);
    if (pair[0] == wanted) return pair[1];
  }
  return std::nullopt;
}

/// Docker, containerd, CRI-O and Podman name a container's group by the 64 digits of its id.
std::string container_in(std::string_view group) {
  constexpr std::size_t kDigits = 64;
  for (const std::string_view prefix : {"lxc.payload.", "lxc/"}) {
    const std::size_t at = group.find(prefix);
    if (at == std::string_view::npos || (at > 0 && group[at - 1] != '/')) continue;
    const std::string_view name = group.substr(at + prefix.size());
    return std::string(name.substr(0, name.find('/')));
  }
  for (std::size_t at = 0; at + kDigits <= group.size(); ++at) {
    const bool begins = at == 0 || group[at - 1] == '/' || group[at - 1] == '-';
    if (begins && is_hex(group.substr(at, kDigits))) return std::string(group.substr(at, kDigits));
  }
  return {};
}

std::string unit_in(std::string_view group) {
  while (!group.empty()) {
    group.remove_prefix(std::min(group.find_first_not_of('/'), group.size()));
    const std::string_view part = group.substr(0, group.find('/'));
    group.remove_prefix(part.size());
    if (part.ends_with(".slice")) continue;
    return part.ends_with(".service") || part.ends_with(".scope") ? std::string(part) : std::string();
  }
  return {};
}

/// As the kernel prints it: words of 32 bits in the host's byte order.
std::string address_of(std::string_view hex) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hex.size() / 8;
  if (hex.size() % 8 != 0 || (count != 1 && count != 4)) return {};
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = to_number<std::uint32_t>(hex.substr(i * 8, 8), 16);
    if (!word) return {};
    words[i] = *word;
  }
  const bool is_mapped = count == 4 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (count == 1 || is_mapped) {
    in_addr address{};
    std::memcpy(&address, count == 1 ? words.data() : words.data() + 3, sizeof address);
    return ::inet_ntop(AF_INET, &address, text.data(), text.size()) != nullptr ? text.data() : "";
  }
  in6_addr address{};
  std::memcpy(&address, words.data(), sizeof address);
  return ::inet_ntop(AF_INET6, &address, text.data(), text.size()) != nullptr ? text.data() : "";
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  // The name before may hold anything but comes in parentheses, and no later field does.
  const std::size_t name_begin = text.find('(');
  const std::size_t name_end = text.rfind(')');
  if (name_begin == std::string_view::npos || name_end == std::string_view::npos || name_end <= name_begin) {
    return std::nullopt;
  }
  const auto words = words_of(text.substr(name_end + 1));
  constexpr std::size_t kParent = 1;
  constexpr std::size_t kTerminal = 4;
  constexpr std::size_t kStarted = 19;
  if (words.size() <= kStarted) return std::nullopt;
  const auto parent = to_number<std::int32_t>(words[kParent]);
  const auto terminal = to_number<std::int32_t>(words[kTerminal]);
  const auto started = to_number<std::uint64_t>(words[kStarted]);
  if (!parent || !terminal || !started) return std::nullopt;
  return ProcessStat{std::string(text.substr(name_begin + 1, name_end - name_begin - 1)), *parent,
                     static_cast<std::uint32_t>(*terminal), *started};
}

std::optional<ProcessStatus> parse_process_status(std::string_view text) {
  std::optional<std::uint32_t> uid;
  bool has_several_users = false;
  bool is_contained = false;
  unsigned threads = 1;
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("Uid:")) {
      const auto words = words_of(line);
      if (words.size() != 5) return;
      uid = to_number<std::uint32_t>(words[2]);
      has_several_users = std::any_of(words.begin() + 1, words.end(), [&](auto word) { return word != words[2]; });
    } else if (line.starts_with("NSpid:")) {
      is_contained = words_of(line).size() > 2;
    } else if (line.starts_with("Threads:")) {
      const auto words = words_of(line);
      threads = to_number<unsigned>(words.back()).value_or(1);
    }
  });
  if (!uid) return std::nullopt;
  return ProcessStatus{*uid, has_several_users, is_contained, threads};
}

std::optional<std::uint32_t> parse_first_uid(std::string_view auxiliary_vector) {
  const auto found = auxiliary_value<std::uint64_t>(auxiliary_vector, AT_EUID);
  const auto value = found ? found : auxiliary_value<std::uint32_t>(auxiliary_vector, AT_EUID);
  return value && *value <= std::numeric_limits<std::uint32_t>::max()
             ? std::optional(static_cast<std::uint32_t>(*value))
             : std::nullopt;
}

std::string terminal_name(std::uint32_t device) {
  if (device == 0) return {};
  constexpr unsigned kConsole = 4;
  constexpr unsigned kFirstSerial = 64;
  constexpr unsigned kPseudo = 136;
  const unsigned kind = major(device);
  const unsigned number = minor(device);
  if (kind == kPseudo) return "pts/" + std::to_string(number);
  if (kind == kConsole && number < kFirstSerial) return "tty" + std::to_string(number);
  if (kind == kConsole) return "ttyS" + std::to_string(number - kFirstSerial);
  return std::to_string(kind) + ":" + std::to_string(number);
}

std::optional<std::uint32_t> parse_set_number(std::string_view text) {
  constexpr std::uint32_t kUnset = 0xffffffff;
  const auto words = words_of(text);
  const auto number = words.size() == 1 ? to_number<std::uint32_t>(words[0]) : std::nullopt;
  return number != kUnset ? number : std::nullopt;
}

std::optional<std::int32_t> parse_latest_pid(std::string_view text) {
  constexpr std::size_t kFields = 5;
  const auto words = words_of(text);
  return words.size() == kFields ? to_number<std::int32_t>(words.back()) : std::nullopt;
}

ControlGroup parse_control_group(std::string_view text) {
  // Version 2 has the one line `0::PATH`; where systemd uses version 1, it has a hierarchy of its own.
  std::string_view group;
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with("0::") && line.size() > 4) group = line.substr(3);
  });
  for_each_line(text, [&](std::string_view line) {
    constexpr std::string_view kSystemd = ":name=systemd:";
    const std::size_t at = line.find(kSystemd);
    if (group.empty() && at != std::string_view::npos) group = line.substr(at + kSystemd.size());
  });
  // Outside the reader's own root nothing is named from the top.
  if (group.starts_with("/..")) return {};
  ControlGroup parsed{unit_in(group), ""};
  // Below a user's own manager anything may be called a container; and its processes are the user's.
  if (!parsed.unit.starts_with("user@")) parsed.container = container_in(group);
  return parsed;
}

Arguments parse_command_line(std::string_view text) {
  Arguments arguments;
  std::size_t total = 0;
  while (!text.empty()) {
    if (arguments.words.size() == kMostArguments || total >= kLongestCommandLine) {
      arguments.is_cut = true;
      break;
    }
    const std::string_view word = text.substr(0, text.find('\0'));
    std::size_t length = std::min({word.size(), kLongestArgument, kLongestCommandLine - total});
    // Not within a character of UTF-8.
    while (length > 0 && length < word.size() && (static_cast<unsigned char>(word[length]) & 0xc0U) == 0x80U) --length;
    arguments.is_cut = arguments.is_cut || length < word.size();
    arguments.words.emplace_back(word.substr(0, length));
    total += length;
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return arguments;
}

std::vector<TcpSocket> parse_tcp_sockets(std::string_view text) {
  std::vector<TcpSocket> sockets;
  for_each_line(text, [&](std::string_view line) {
    constexpr std::size_t kLocal = 1;
    constexpr std::size_t kRemote = 2;
    constexpr std::size_t kState = 3;
    constexpr std::size_t kInode = 9;
    const auto words = words_of(line);
    if (words.size() <= kInode) return;
    const bool listens = words[kState] == "0A";
    if (!listens && words[kState] != "01") return;
    const auto inode = to_number<std::uint64_t>(words[kInode]);
    const std::string_view local = words[kLocal];
    const auto port = to_number<std::uint16_t>(local.substr(std::min(local.find(':') + 1, local.size())), 16);
    const std::string remote = address_of(words[kRemote].substr(0, words[kRemote].find(':')));
    if (inode && port && !remote.empty()) sockets.push_back({*inode, *port, listens, listens ? "" : remote});
  });
  return sockets;
}

}  // namespace driftd::scanner
