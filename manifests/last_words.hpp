#pragma once

namespace driftd::manifests {

/// What an exception that nobody expected, as where memory or threads run out, makes of a program: one line and an exit
/// code, and never a signal.
struct LastWords {
  const char* introduction;  ///< of the line: `driftd: `; a literal
  int descriptor;            ///< where the line goes
  int exit_code;
};

/// From here on an exception that is caught nowhere ends the program so, whichever thread it ends.
void set_last_words(const LastWords& words);

/// In a catch block of main(): ends the program so. Nothing more is taken down, since threads may hang; and what is
/// buffered for standard output is dropped, since it is the answer of nobody.
[[noreturn]] void end_with_last_words() noexcept;

}  // namespace driftd::manifests
