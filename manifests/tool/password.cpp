#include "manifests/tool/password.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include <sodium.h>

#include "manifests/escape.hpp"
#include "manifests/unique_fd.hpp"

namespace driftd::manifests::tool {
namespace {

constexpr std::size_t kMaxPassword = 1024;

/// Turns the terminal's echo off for as long as it lives.
class WithoutEcho {
 public:
  explicit WithoutEcho(int terminal) : terminal_(terminal) {
    ::tcgetattr(terminal_, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    ::tcsetattr(terminal_, TCSAFLUSH, &quiet);
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;
  ~WithoutEcho() { ::tcsetattr(terminal_, TCSAFLUSH, &before_); }

 private:
  int terminal_;
  termios before_{};
};

Result<SecretText> ask_terminal(int terminal, std::string_view prompt) {
  const WithoutEcho quiet(terminal);  // before the prompt: who answers it at once is not to be shown
  (void)!::write(terminal, prompt.data(), prompt.size());
  SecretText text(kMaxPassword);
  std::size_t length = 0;
  while (length < text.size() && ::read(terminal, text.data() + length, 1) == 1 && text.data()[length] != '\n')
    ++length;
  if (length == text.size()) return Error{ErrorCode::usage, "the password is longer than 1024 bytes"};
  text.truncate(length);
  return text;
}

}  // namespace

Result<SecretText> secret_from_environment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  if (value == nullptr) return Error{ErrorCode::usage, "the environment variable " + escape(variable) + " is not set"};
  return SecretText(std::string_view(value));
}

Result<SecretText> read_password(const std::string& variable, Ask ask) {
  if (!variable.empty()) return secret_from_environment(variable);
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal || ::isatty(STDIN_FILENO) == 0) {
    return Error{ErrorCode::usage,
                 "a password is wanted and there is no terminal to ask on; name an environment variable "
                 "that holds it with --password-env"};
  }
  auto password = ask_terminal(terminal.get(), "Password: ");
  if (!password || ask == Ask::once) return password;
  const auto again = ask_terminal(terminal.get(), "Password (again): ");
  if (!again) return again.error();
  if (password->size() != again->size() ||
      sodium_memcmp(password->view().data(), again->view().data(), again->size()) != 0) {
    return Error{ErrorCode::usage, "the two passwords differ"};
  }
  return password;
}

}  // namespace driftd::manifests::tool
