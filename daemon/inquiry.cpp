#include "daemon/inquiry.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::daemon {
namespace {

using manifests::Error;
using manifests::ErrorCode;
using manifests::Result;
using manifests::UniqueFd;
using Texts = Inquiry::Texts;

/// What the process tells, piece by piece: a kind, the length of the text that follows, and that.
enum class Kind : std::uint64_t { about, text, done, error_code, error_message };
using Head = std::array<std::uint64_t, 2>;

void tell(int pipe, Kind kind, std::string_view text) {
  const Head head{static_cast<std::uint64_t>(kind), text.size()};
  std::string piece(sizeof head, '\0');
  std::memcpy(piece.data(), head.data(), sizeof head);
  piece += text;
  for (std::string_view left = piece; !left.empty();) {
    const ssize_t written = ::write(pipe, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ::_exit(1);
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

Result<Texts> ask_here(const Inquiry& inquiry, const Inquiry::About& about) {
  try {
    return inquiry.ask(about);
  } catch (const std::exception& exception) {
    return Error{ErrorCode::io, manifests::escape(inquiry.path) + ": " + exception.what()};
  }
}

/// In the new process: asks, tells, and ends. Holds nothing open for which others wait to be closed, as a pipe's end.
[[noreturn]] void ask_and_tell(int pipe, const Inquiry& inquiry) {
  constexpr int fd = STDIN_FILENO;
  if (::dup2(pipe, fd) < 0 || ::syscall(SYS_close_range, fd + 1, ~0U, 0) != 0) ::_exit(1);
  const auto answer = ask_here(inquiry, [](const std::string& path) { tell(fd, Kind::about, path); });
  if (answer) {
    for (const std::string& text : *answer) tell(fd, Kind::text, text);
    tell(fd, Kind::done, "");
  } else {
    tell(fd, Kind::error_code, std::to_string(static_cast<int>(answer.error().code)));
    tell(fd, Kind::error_message, answer.error().message);
  }
  ::_exit(0);
}

/// A process that asks, as it is seen from here.
class Asking {
 public:
  explicit Asking(const Inquiry& inquiry) : inquiry_(inquiry), path_(inquiry.path) {
    std::array<int, 2> ends{};
    if (is_own_descriptor(inquiry.path) || ::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    pipe_.reset(ends[0]);
    const UniqueFd told(ends[1]);
    process_ = ::fork();
    if (process_ == 0) ask_and_tell(told.get(), inquiry);
  }

  [[nodiscard]] bool has_process() const { return process_ > 0; }
  [[nodiscard]] int pipe() const { return pipe_.get(); }
  [[nodiscard]] const std::optional<Result<Texts>>& answer() const { return answer_; }

  void ask_here() {
    answer_ = daemon::ask_here(inquiry_, [](const std::string&) {});
  }

  /// What has come, or that nothing comes any more.
  void hear() {
    std::array<char, 65536> buffer{};
    const ssize_t got = ::read(pipe_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) return end(death());
    received_.append(buffer.data(), static_cast<std::size_t>(got));
    while (!answer_ && take_piece()) ++steps_;
    if (answer_) ::waitpid(process_, nullptr, 0);
  }

  void look(Standstill::Clock::time_point now) {
    if (answer_ || standstill_.look(steps_, now) < inquiry_.patience) return;
    ::kill(process_, SIGKILL);  // and not waited for
    end(no_answer_from(path_, inquiry_.patience));
  }

 private:
  /// What lies behind it is open here, and closed there.
  static bool is_own_descriptor(std::string_view path) {
    return path.starts_with("/dev/std") || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
  }

  void end(Error error) { answer_ = Result<Texts>(std::move(error)); }

  bool take_piece() {
    Head head{};
    if (received_.size() < sizeof head) return false;
    std::memcpy(head.data(), received_.data(), sizeof head);
    if (received_.size() - sizeof head < head[1]) return false;
    std::string text = received_.substr(sizeof head, head[1]);
    received_.erase(0, sizeof head + head[1]);
    switch (static_cast<Kind>(head[0])) {
      case Kind::about: path_ = std::move(text); break;
      case Kind::text: texts_.push_back(std::move(text)); break;
      case Kind::done: answer_ = std::move(texts_); break;
      case Kind::error_code: code_ = static_cast<ErrorCode>(std::stoi(text)); break;
      case Kind::error_message: end({code_, std::move(text)}); break;
    }
    return true;
  }

  Error death() {
    int status = 0;
    const std::string what = manifests::escape(path_) + ": the process that asked its file system ";
    if (::waitpid(process_, &status, 0) != process_) return {ErrorCode::io, what + "is gone"};
    if (WIFEXITED(status)) {
      return {ErrorCode::io, fmt::format("{}ended with code {}, without an answer", what, WEXITSTATUS(status))};
    }
    const int signal = WTERMSIG(status);
    return {ErrorCode::io, fmt::format("{}was ended by signal {} ({})", what, signal, ::strsignal(signal))};
  }

  const Inquiry& inquiry_;
  std::string path_;
  pid_t process_ = -1;  ///< not above 0: there could be none
  UniqueFd pipe_;
  std::string received_;
  std::uint64_t steps_ = 0;
  Texts texts_;
  ErrorCode code_ = ErrorCode::io;
  std::optional<Result<Texts>> answer_;
  Standstill standstill_;
};

}  // namespace

std::vector<Result<Texts>> ask_apart(const std::vector<Inquiry>& inquiries) {
  constexpr int kBetweenLooks = 100;  // milliseconds
  std::vector<Asking> all(inquiries.begin(), inquiries.end());
  for (Asking& one : all) {
    if (!one.has_process()) one.ask_here();
  }
  for (;;) {
    std::vector<pollfd> waiting;
    std::vector<Asking*> silent;
    for (Asking& one : all) {
      if (one.answer()) continue;
      waiting.push_back({one.pipe(), POLLIN, 0});
      silent.push_back(&one);
    }
    if (silent.empty()) break;
    const int ready = ::poll(waiting.data(), waiting.size(), kBetweenLooks);
    const auto now = Standstill::Clock::now();
    for (std::size_t i = 0; i < silent.size(); ++i) {
      if (ready > 0 && waiting[i].revents != 0) silent[i]->hear();
      silent[i]->look(now);
    }
  }
  std::vector<Result<Texts>> answers;
  for (const Asking& one : all) answers.push_back(*one.answer());
  return answers;
}

Result<Texts> ask_apart(const Inquiry& inquiry) { return ask_apart(std::vector{inquiry}).front(); }

Error no_answer_from(const std::string& path, std::chrono::milliseconds waited) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(waited).count();
  return {ErrorCode::stalled,
          fmt::format("{}: its file system has not answered for {} s", manifests::escape(path), seconds)};
}

}  // namespace driftd::daemon
