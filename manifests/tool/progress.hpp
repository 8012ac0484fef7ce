#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "manifests/progress_line.hpp"

namespace driftd::manifests::tool {

/// A line on standard error that says how far a build is. Only on a terminal that can take a line back; else, and
/// where it is not wanted, silent. Any thread may report.
class Progress {
 public:
  enum class Wanted { no, on_terminal };
  explicit Progress(Wanted wanted);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// How many bytes there will be in all.
  void expect_bytes(std::uint64_t total) { total_ = total; }
  void add_file() { report(files_, 1); }
  void add_bytes(std::uint64_t bytes) { report(bytes_, bytes); }

 private:
  void report(std::atomic<std::uint64_t>& count, std::uint64_t more);

  const bool shown_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> total_{0};
  std::mutex drawing_;
  TerminalLine line_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace driftd::manifests::tool
