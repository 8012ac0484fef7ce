#pragma once

#include <optional>
#include <string_view>

#include "daemon/command_line.hpp"
#include "daemon/report_text.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

/// One line on standard error, after the program's name. Where it cannot be written, the exit code has to do.
void tell(std::string_view message);

/// A verdict that nobody could read is no verdict.
class StandardOutput {
 public:
  /// Nothing more after a failure.
  void print(std::string_view text);
  manifests::Result<void> finish();

 private:
  std::optional<int> error_;
};

/// Whether standard output is to be coloured: it is a terminal that can, unless somebody chose.
Colour colour_for(ColourChoice choice);

}  // namespace driftd::daemon
