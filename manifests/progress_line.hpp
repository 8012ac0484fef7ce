#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// How far long work is, on one line of a terminal.
namespace driftd::manifests {

/// A total of 0 is not known.
struct WorkDone {
  std::string_view items;  ///< what is counted: `files`
  std::uint64_t count = 0;
  std::uint64_t total_count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
  double seconds = 0;  ///< since it began
};

/// `[=====>     ] 25 %  12034 files, 1.2 GiB of 4.8 GiB, 310.4 MiB/s, 12 s left`; without what is not known, and what
/// does not fit into `columns`.
std::string progress_line(const WorkDone& work, std::size_t columns);

/// The line of standard error that is drawn again and again. It is taken back when the object goes, and when a signal
/// from the keyboard ends the program. One at a time; not for several threads at once.
class TerminalLine {
 public:
  /// False where standard error is no terminal, or one that cannot take a line back.
  static bool is_possible();

  TerminalLine() = default;
  TerminalLine(const TerminalLine&) = delete;
  TerminalLine& operator=(const TerminalLine&) = delete;
  ~TerminalLine();

  void draw(const std::string& line);
  /// As wide as a line may be.
  [[nodiscard]] static std::size_t columns();

 private:
  bool drawn_ = false;
};

}  // namespace driftd::manifests
