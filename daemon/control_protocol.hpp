#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/error.hpp"

/// What is said over the control socket. One request, one answer, then the daemon closes. The request is a line with a
/// JSON object; the answer is any number of lines {"note": TEXT}, then {"exit": CODE, "length": N} and N bytes for
/// standard output. An answer that breaks off is none.
namespace driftd::daemon {

inline constexpr const char* kControlSocketName = "control.sock";
inline constexpr std::size_t kMaxControlRequest = 64 * 1024;
inline constexpr std::size_t kMaxControlLine = 64 * 1024;  ///< of an answer, before its bytes
/// Far more than a daemon ever sends.
inline constexpr std::size_t kMaxControlBody = 256 * 1024 * 1024;

struct ControlRequest {
  enum class Command : std::uint8_t { status, scan };
  Command command = Command::status;
  std::vector<std::string> trees;  ///< of scan; empty: all
  bool wait = false;               ///< of scan: until it has ended
  bool json = false;               ///< of status
  bool colour = false;             ///< not with json

  friend bool operator==(const ControlRequest&, const ControlRequest&) = default;
};

/// With its line end.
std::string request_line(const ControlRequest& request);
/// Without or with it. The error says what is wrong in words for the client.
manifests::Result<ControlRequest> parse_request(std::string_view line);

struct ControlLine {
  std::string note;
  /// The end: nothing follows but the bytes.
  struct End {
    int exit = 1;
    std::size_t length = 0;
  };
  std::optional<End> end;
};

std::string note_line(std::string_view note);
std::string end_line(int exit, std::size_t length);
manifests::Result<ControlLine> parse_answer_line(std::string_view line);

}  // namespace driftd::daemon
