#include "manifests/tool/progress.hpp"

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace driftd::manifests::tool {
namespace {

bool is_capable_terminal() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::string amount(double bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double kStep = 1024;
  std::size_t unit = 0;
  for (; bytes >= kStep && unit + 1 < kUnits.size(); ++unit) bytes /= kStep;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

}  // namespace

std::string progress_line(std::uint64_t files, std::uint64_t bytes, double seconds, std::uint64_t total) {
  const auto done = static_cast<double>(bytes);
  const auto all = static_cast<double>(total);
  // A file that grew since it was counted is no reason to show more than all.
  const bool is_part = total > 0 && bytes <= total;
  std::string line = std::to_string(files) + " files, " + amount(done);
  if (is_part) line += " of " + amount(all) + " (" + std::to_string(static_cast<int>(100 * done / all)) + " %)";
  if (seconds <= 0) return line;
  line += ", " + amount(done / seconds) + "/s";
  if (is_part && bytes > 0) line += ", " + std::to_string(std::lround((all - done) * seconds / done)) + " s left";
  return line;
}

Progress::Progress(Wanted wanted) : shown_(wanted == Wanted::on_terminal && is_capable_terminal()), drawn_(start_) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

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
  std::fprintf(stderr, "\r\033[K%s", progress_line(files_, bytes_, seconds, total_).c_str());
}

}  // namespace driftd::manifests::tool
