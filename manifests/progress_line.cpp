#include "manifests/progress_line.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace driftd::manifests {
namespace {

constexpr std::string_view kTakeBack = "\r\033[K";

std::string amount(double bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double kStep = 1024;
  std::size_t unit = 0;
  for (; bytes >= kStep && unit + 1 < kUnits.size(); ++unit) bytes /= kStep;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

std::string duration(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 3600;
  const auto whole = [](double value) { return std::to_string(std::lround(value)); };
  if (seconds < 2 * kMinute) return whole(seconds) + " s";
  return seconds < 2 * kHour ? whole(seconds / kMinute) + " min" : whole(seconds / kHour) + " h";
}

/// What is done of all, as far as totals are known.
std::optional<double> fraction(const WorkDone& work) {
  // Reaching a file takes about as long as reading so much of it, on disks as well as from memory.
  constexpr double kBytesPerItem = 16 * 1024;
  double done = 0;
  double all = 0;
  if (work.total_bytes > 0) {
    done += static_cast<double>(work.bytes);
    all += static_cast<double>(work.total_bytes);
  }
  if (work.total_count > 0) {
    done += kBytesPerItem * static_cast<double>(work.count);
    all += kBytesPerItem * static_cast<double>(work.total_count);
  }
  // A file that grew since it was counted is no reason to show more than all.
  if (all <= 0 || done > all) return std::nullopt;
  return done / all;
}

std::string bar(double done, std::size_t width) {
  const auto full = static_cast<std::size_t>(done * static_cast<double>(width));
  std::string text(full, '=');
  if (full < width) text += '>';
  text.resize(width, ' ');
  return "[" + text + "] ";
}

enum class Totals { shown, left_out };

std::string words(const WorkDone& work, std::optional<double> done, Totals totals) {
  const auto bytes = static_cast<double>(work.bytes);
  const auto of = [&](std::uint64_t part, std::uint64_t all) {
    return totals == Totals::shown && all > 0 && part <= all;
  };
  std::string text = done ? std::to_string(static_cast<int>(100 * *done)) + " %  " : "";
  text += std::to_string(work.count);
  if (of(work.count, work.total_count)) text += " of " + std::to_string(work.total_count);
  text += " " + std::string(work.items) + ", " + amount(bytes);
  if (of(work.bytes, work.total_bytes)) text += " of " + amount(static_cast<double>(work.total_bytes));
  if (work.seconds <= 0) return text;
  text += ", " + amount(bytes / work.seconds) + "/s";
  if (done && *done > 0) text += ", " + duration((1 - *done) * work.seconds / *done) + " left";
  return text;
}

/// Async-signal-safe.
extern "C" void take_back_and_die(int signal) {
  (void)!::write(STDERR_FILENO, kTakeBack.data(), kTakeBack.size());
  (void)::raise(signal);  // whose action is the usual one again
}

/// Where nobody else cares for a signal that ends the program.
void take_back_on(int signal) {
  struct sigaction now {};
  if (::sigaction(signal, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL) return;
  now.sa_handler = take_back_and_die;
  now.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(signal, &now, nullptr);
}

}  // namespace

std::string progress_line(const WorkDone& work, std::size_t columns) {
  const auto done = fraction(work);
  std::string text = words(work, done, Totals::shown);
  if (!done) return text.substr(0, columns);
  constexpr std::size_t kWidest = 30;
  constexpr std::size_t kNarrowest = 10;
  constexpr std::size_t kFrame = 3;
  const auto left = [&] { return columns > text.size() + kFrame ? columns - text.size() - kFrame : 0; };
  // How far it is, a bar tells at a glance, and two large numbers do not.
  if (left() < kNarrowest) text = words(work, done, Totals::left_out);
  if (left() >= kNarrowest) text = bar(*done, std::min(left(), kWidest)) + text;
  return text.substr(0, columns);
}

bool TerminalLine::is_possible() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::size_t TerminalLine::columns() {
  constexpr std::size_t kUsual = 80;
  struct winsize size {};
  const bool is_known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // The last column stays free: some terminals wrap there, and a wrapped line cannot be taken back.
  return (is_known ? size.ws_col : kUsual) - 1;
}

void TerminalLine::draw(const std::string& line) {
  if (!drawn_) {
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) take_back_on(signal);
  }
  drawn_ = true;
  const std::string text = std::string(kTakeBack) + line;
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

TerminalLine::~TerminalLine() {
  if (drawn_) (void)!::write(STDERR_FILENO, kTakeBack.data(), kTakeBack.size());
}

}  // namespace driftd::manifests
