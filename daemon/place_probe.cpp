#include "daemon/place_probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using manifests::UniqueFd;

struct Probe {
  const TreeConfig* tree;
  pid_t process = -1;  ///< -1: there could be none
  UniqueFd answer{};
  Clock::time_point until{};
};

/// In the new process: tells, and ends. Holds nothing open for which others wait to be closed, as a pipe's end.
[[noreturn]] void tell(int answer, const TreeConfig& tree) {
  constexpr int fd = STDIN_FILENO;
  if (::dup2(answer, fd) < 0 || ::syscall(SYS_close_range, fd + 1, ~0U, 0) != 0) ::_exit(1);
  const TreePlace place = find_place(tree);
  // What is remembered of a directory may be told for a dead server; to open it asks.
  const UniqueFd root(::open(tree.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string text = place.root.native() + '\0' + place.manifest.native() + '\0' + (place.is_remote ? 'r' : 'l');
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) break;
    text.erase(0, static_cast<std::size_t>(written));
  }
  ::_exit(0);
}

Probe begin(const PlaceQuestion& question) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {&question.tree};
  UniqueFd answer(ends[0]);
  const UniqueFd told(ends[1]);
  const pid_t process = ::fork();
  if (process == 0) tell(told.get(), question.tree);
  if (process < 0) return {&question.tree};
  return {&question.tree, process, std::move(answer), Clock::now() + question.patience};
}

/// All that is told until the other end is closed, or nothing in time.
std::optional<std::string> hear(const Probe& probe) {
  std::string text;
  for (;;) {
    pollfd wait{probe.answer.get(), POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(probe.until - Clock::now()).count();
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    std::array<char, 4096> buffer{};
    const ssize_t got = ::read(probe.answer.get(), buffer.data(), buffer.size());
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::optional<TreePlace> end(const Probe& probe) {
  if (probe.process < 0) return find_place(*probe.tree);
  const auto text = hear(probe);
  if (!text) {
    ::kill(probe.process, SIGKILL);  // and not waited for
    return std::nullopt;
  }
  ::waitpid(probe.process, nullptr, 0);
  const std::size_t first = text->find('\0');
  const std::size_t second = first == std::string::npos ? first : text->find('\0', first + 1);
  if (second == std::string::npos) return std::nullopt;
  return TreePlace{text->substr(0, first), text->substr(first + 1, second - first - 1), text->substr(second + 1) == "r",
                   true};
}

}  // namespace

std::vector<std::optional<TreePlace>> probe_places(const std::vector<PlaceQuestion>& questions) {
  std::vector<Probe> probes;
  for (const PlaceQuestion& question : questions) probes.push_back(begin(question));
  std::vector<std::optional<TreePlace>> places;
  for (const Probe& probe : probes) places.push_back(end(probe));
  return places;
}

}  // namespace driftd::daemon
