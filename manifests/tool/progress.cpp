#include "manifests/tool/progress.hpp"

namespace driftd::manifests::tool {

Progress::Progress(Wanted wanted)
    : shown_(wanted == Wanted::on_terminal && TerminalLine::is_possible()), drawn_(start_) {}

void Progress::report(std::atomic<std::uint64_t>& count, std::uint64_t more) {
  if (!shown_) return;
  count.fetch_add(more, std::memory_order_relaxed);
  // Whoever finds it being drawn goes on: the next report is not far.
  const std::unique_lock lock(drawing_, std::try_to_lock);
  if (!lock) return;
  constexpr std::chrono::milliseconds kInterval{100};
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < kInterval) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  line_.draw(progress_line({"files", files_, 0, bytes_, total_, seconds}, TerminalLine::columns()));
}

}  // namespace driftd::manifests::tool
