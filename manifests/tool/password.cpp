#include "manifests/tool/password.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <sodium.h>

#include "manifests/unique_fd.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kMaxPassword = 1024;

/// Turns the terminal's echo off for as long as it lives, and makes its interrupt and quit characters input that ends
/// a line: a program that they kill leaves the terminal without echo.
class WithoutEcho {
 public:
  explicit WithoutEcho(int terminal) : terminal_(terminal), changed_(::tcgetattr(terminal, &before_) == 0) {
    if (!changed_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    quiet.c_lflag |= ECHONL;
    quiet.c_cc[VEOL] = before_.c_cc[VINTR];
    quiet.c_cc[VEOL2] = before_.c_cc[VQUIT];
    ::tcsetattr(terminal_, TCSAFLUSH, &quiet);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;
  ~WithoutEcho() {
    if (changed_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }

  /// True for a character that would have been a signal.
  [[nodiscard]] bool interrupts(char c) const {
    if (!changed_ || (before_.c_lflag & ISIG) == 0) return false;
    const auto typed = static_cast<cc_t>(c);
    const bool is_signal = typed == before_.c_cc[VINTR] || typed == before_.c_cc[VQUIT] || typed == before_.c_cc[VSUSP];
    return is_signal && typed != _POSIX_VDISABLE;
  }

 private:
  int terminal_;
  termios before_{};
  bool changed_;
};

Result<SecretText> ask_terminal(int terminal, std::string_view prompt) {
  const WithoutEcho quiet(terminal);  // before the prompt: who answers it at once is not to be shown
  (void)!::write(terminal, prompt.data(), prompt.size());
  const auto give_up = [terminal](const char* why) {
    (void)!::write(terminal, "\n", 1);  // the message is not to stand behind the prompt
    return Error{ErrorCode::io, why};
  };
  SecretText text(kMaxPassword);
  for (std::size_t length = 0; length < text.size(); ++length) {
    char& typed = text.data()[length];
    ssize_t got = 0;
    do got = ::read(terminal, &typed, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1) return give_up("the input ended before a password was typed");
    if (quiet.interrupts(typed)) return give_up("interrupted");
    if (typed != '\n') continue;
    text.truncate(length);
    return text;
  }
  return Error{ErrorCode::usage, "the password is longer than 1024 bytes"};
}

Result<void> require_new(const SecretText& password, Ask ask) {
  if (ask == Ask::once || password.size() > 0) return {};
  return Error{ErrorCode::usage, "the password is empty: use --no-password for a key without one"};
}

}  // namespace

Result<SecretText> secret_from_environment(std::string_view option, const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  if (value == nullptr) {
    return Error{ErrorCode::usage,
                 std::string(option) + ": no such environment variable (give its name, not its value)"};
  }
  return SecretText(std::string_view(value));
}

Result<SecretText> read_password(const std::string& variable, Ask ask) {
  if (!variable.empty()) {
    auto password = secret_from_environment("--password-env", variable);
    if (!password) return password;
    if (auto fit = require_new(*password, ask); !fit) return with_context("--password-env", fit.error());
    return password;
  }
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal || ::isatty(STDIN_FILENO) == 0) {
    return Error{ErrorCode::usage,
                 "a password is wanted and there is no terminal to ask on; name an environment variable "
                 "that holds it with --password-env"};
  }
  auto password = ask_terminal(terminal.get(), "Password: ");
  if (!password || ask == Ask::once) return password;
  if (auto fit = require_new(*password, ask); !fit) return fit.error();
  const auto again = ask_terminal(terminal.get(), "Password (again): ");
  if (!again) return again.error();
  if (password->size() != again->size() ||
      sodium_memcmp(password->view().data(), again->view().data(), again->size()) != 0) {
    return Error{ErrorCode::usage, "the two passwords differ"};
  }
  return password;
}

}  // namespace driftd::manifests::tool
