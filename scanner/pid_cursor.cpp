#include "scanner/pid_cursor.hpp"

namespace driftd::scanner {
namespace {

/// There are 301 numbers at least, by default 32,768 or four million; a new process takes some 20 us.
constexpr auto kShorterThanACycle = std::chrono::milliseconds(5);

}  // namespace

bool is_same_process(std::int32_t pid, const PidCursor& then, const PidCursor& now) {
  if (pid == 0 || then.latest == 0 || now.latest == 0) return false;
  const bool has_begun_anew = now.latest < then.latest;
  const bool was_given = then.latest < pid && pid <= now.latest;
  return now.at - then.at <= kShorterThanACycle && !has_begun_anew && !was_given;
}

}  // namespace driftd::scanner
