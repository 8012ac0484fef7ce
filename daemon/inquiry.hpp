#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "daemon/standstill.hpp"
#include "manifests/error.hpp"

namespace driftd::daemon {

/// What file systems are asked that may not answer, by a process of its own: one that hangs in the kernel cannot be
/// ended by anyone, and a thread that does would keep this process from ending.
struct Inquiry {
  using Texts = std::vector<std::string>;
  /// To be told which path is asked about next. It is what messages name, and a step of the work.
  using About = std::function<void(const std::string& path)>;

  std::string path;  ///< that is asked about first
  std::function<manifests::Result<Texts>(const About&)> ask;
  std::chrono::milliseconds patience = kHangs;  ///< with one step
};

/// All at once; parallel to `inquiries`: what `ask` returned, `stalled` where nothing came in time, and `io` where its
/// process died. Where there can be no process, and for a descriptor of this one (/dev/stdin), it is asked here.
std::vector<manifests::Result<Inquiry::Texts>> ask_apart(const std::vector<Inquiry>& inquiries);
manifests::Result<Inquiry::Texts> ask_apart(const Inquiry& inquiry);

/// `stalled`: what is said of a path whose file system does not answer.
manifests::Error no_answer_from(const std::string& path, std::chrono::milliseconds waited);

}  // namespace driftd::daemon
