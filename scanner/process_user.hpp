#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "scanner/process_texts.hpp"

namespace driftd::scanner {

struct ProcessUser {
  std::optional<std::uint32_t> uid;  ///< nothing: the process has several at once
  /// It may have been another when it did something: its program began as one, or has a user namespace with numbers of
  /// its own, or more threads than there is time to ask.
  bool is_in_doubt = false;
};

/// By the process's open directory in /proc and what its status says. `own_users` is the reader's uid_map.
ProcessUser user_of(int directory, const ProcessStatus& status, const std::string& own_users);

}  // namespace driftd::scanner
