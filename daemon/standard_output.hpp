#pragma once

#include <optional>
#include <string_view>

#include "daemon/command_line.hpp"
#include "daemon/report_text.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

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
