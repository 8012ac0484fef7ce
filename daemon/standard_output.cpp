#include "daemon/standard_output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace driftd::daemon {

void tell(std::string_view message) {
  const std::string line = "driftd: " + std::string(message) + "\n";
  (void)!std::fwrite(line.data(), 1, line.size(), stderr);
}

void StandardOutput::print(std::string_view text) {
  if (!error_ && std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) error_ = errno;
}

manifests::Result<void> StandardOutput::finish() {
  if (!error_ && std::fflush(stdout) != 0) error_ = errno;
  if (error_) return manifests::system_error("standard output", *error_);
  return {};
}

Colour colour_for(ColourChoice choice) {
  if (choice != ColourChoice::automatic) return choice == ColourChoice::always ? Colour::ansi : Colour::none;
  const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org
  const char* terminal = std::getenv("TERM");
  const bool plain =
      (no_colour != nullptr && *no_colour != '\0') || terminal == nullptr || std::string_view(terminal) == "dumb";
  return !plain && ::isatty(STDOUT_FILENO) == 1 ? Colour::ansi : Colour::none;
}

}  // namespace driftd::daemon
